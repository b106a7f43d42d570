"""Configuration files that are written and loaded."""

from pathlib import Path

import pytest

from hotswapd.daemon.config.settings import ConfigError, Settings, load_settings

MODEL = '[model]\nbase = "org/model"\n'


class Load:
    """Writes a file and loads it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, text: str = MODEL, **environ: str) -> Settings:
        self.file.write_text(text)
        return load_settings(self.file, environ)

    def problems(self, text: str = MODEL, **environ: str) -> dict[str, str]:
        """Map each wrong key to its sentence."""
        with pytest.raises(ConfigError) as caught:
            self(text, **environ)
        return {problem.key: problem.sentence for problem in caught.value.problems}
