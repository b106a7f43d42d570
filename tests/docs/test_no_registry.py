"""No file names the host of a package registry: whoever installs says where packages come from."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
HOSTS = [".".join(one) for one in (("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"))]
LEFT_OUT = {".git", ".venv", "build", "dist", ".demo", ".ruff_cache", ".mypy_cache", ".pytest_cache", ".hypothesis"}
LARGE = 5 << 20


def test_no_file_names_one() -> None:
    places = [path for path in ROOT.iterdir() if path.name not in LEFT_OUT]
    files = [one for place in places for one in ([place] if place.is_file() else place.rglob("*"))]
    texts = {one: one.read_bytes() for one in files if one.is_file() and one.stat().st_size < LARGE}
    assert len(texts) > 900
    assert [path for path, text in texts.items() if any(host.encode() in text for host in HOSTS)] == []
