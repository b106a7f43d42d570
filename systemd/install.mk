# `make install` puts the program and its service on this machine, `make uninstall` takes both away and leaves state,
# caches, configuration and secrets. DESTDIR and PREFIX work as usual. PIP_FLAGS goes to pip, for instance
# PIP_FLAGS='--index-url URL' for another build of torch.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
PIP_FLAGS ?=
# The drop-in of systemd 253 and later; NOTIFY_RELOAD=0 leaves it out, 1 installs it whatever runs here.
NOTIFY_RELOAD ?= $(shell systemctl --version 2>/dev/null | awk 'NR == 1 {print ($$2 >= 253)}')

program := $(DESTDIR)$(PREFIX)/lib/hotswapd
share := $(DESTDIR)$(PREFIX)/share
# What prints the completions: the program that was just installed.
COMPLETION ?= $(program)/bin/python -m hotswapd.daemon.cli completion
completions := $(share)/bash-completion/completions/hotswapd $(share)/zsh/site-functions/_hotswapd \
    $(share)/fish/vendor_completions.d/hotswapd.fish
units := $(DESTDIR)$(UNITDIR)
etc := $(DESTDIR)$(SYSCONFDIR)
# Only the machine that is installed on is told: a DESTDIR is a package, or somebody else's root.
on_this_machine = test -n "$(DESTDIR)" || test ! -d /run/systemd/system ||

.PHONY: install install-program install-completions install-units uninstall

install: install-program install-completions install-units
	@echo 'Next: cp $(SYSCONFDIR)/hotswapd/hotswapd.toml.example $(SYSCONFDIR)/hotswapd/hotswapd.toml,'
	@echo 'set model.base in it, and: systemctl enable --now hotswapd'

# A virtual environment of its own. The program in bin/ names it by PREFIX, since scripts of pip's name DESTDIR too.
install-program:
	$(PYTHON) -m venv $(program)
	$(program)/bin/python -m pip --disable-pip-version-check install -q $(PIP_FLAGS) .
	install -d $(DESTDIR)$(PREFIX)/bin
	printf '#!/bin/sh\nexec $(PREFIX)/lib/hotswapd/bin/python -m hotswapd.daemon.cli "$$@"\n' \
	    > $(DESTDIR)$(PREFIX)/bin/hotswapd
	chmod 755 $(DESTDIR)$(PREFIX)/bin/hotswapd

# Where bash-completion, zsh and fish look by themselves.
install-completions:
	install -d $(dir $(completions))
	umask 022 && for file in bash:$(word 1,$(completions)) zsh:$(word 2,$(completions)) fish:$(word 3,$(completions)); do \
	    $(COMPLETION) "$${file%%:*}" > "$${file#*:}" || exit 1; done

install-units:
	install -d $(units) $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d $(etc)/hotswapd
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|; s|/etc/hotswapd/|$(SYSCONFDIR)/hotswapd/|' systemd/hotswapd.service \
	    > $(units)/hotswapd.service
	chmod 644 $(units)/hotswapd.service
	install -m 644 systemd/hotswapd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/hotswapd.conf
	install -m 644 systemd/hotswapd.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/hotswapd.conf
	install -m 644 systemd/hotswapd.toml.example $(etc)/hotswapd/hotswapd.toml.example
	if [ "$(NOTIFY_RELOAD)" = 1 ]; then \
	    install -D -m 644 systemd/notify-reload.conf $(units)/hotswapd.service.d/notify-reload.conf; fi
	@$(on_this_machine) systemd-sysusers hotswapd.conf
	@$(on_this_machine) systemd-tmpfiles --create hotswapd.conf
	@$(on_this_machine) systemctl daemon-reload

uninstall:
	@$(on_this_machine) systemctl disable --now hotswapd.service
	rm -rf $(program) $(units)/hotswapd.service.d/notify-reload.conf
	rm -f $(completions)
	rm -f $(units)/hotswapd.service $(DESTDIR)$(PREFIX)/bin/hotswapd $(etc)/hotswapd/hotswapd.toml.example
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/hotswapd.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/hotswapd.conf
	-rmdir $(units)/hotswapd.service.d 2>/dev/null
	@$(on_this_machine) systemctl daemon-reload
	@echo 'Left alone: $(SYSCONFDIR)/hotswapd, /var/lib/hotswapd, /var/cache/hotswapd, the user hotswapd, /srv/adapters.'
