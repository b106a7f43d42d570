#!/bin/sh
# Install the system packages that the tests use and that are not there yet: Debian's and Ubuntu's names.
# Without root, or without apt, it says what is missing, and the tests that need it are skipped (in CI they fail).
set -eu

# One a line: the program that shows that it is there, then its package.
missing=$(while read -r program package; do
    command -v "$program" >/dev/null 2>&1 || printf '%s ' "$package"
done <<PACKAGES
chromium chromium
chromedriver chromium-driver
promtool prometheus
fish fish
zsh zsh
systemd-analyze systemd
mmdebstrap mmdebstrap
unshare util-linux
faketime faketime
bindfs bindfs
cc gcc libc6-dev
PACKAGES
)

[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "tests will be skipped for want of: $missing(install them with your package manager)" >&2
    exit 0
fi
# Services of these packages are not started: the tests need their programs alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of names
apt-get install -y -qq --no-install-recommends $missing >/dev/null
