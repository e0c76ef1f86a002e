#!/bin/bash
# Installs the Autobahn|Testsuite under PREFIX, from PyPI alone.
#
#   setup.sh [PREFIX]     PREFIX defaults to tidewire/autobahn in the user's cache folder
#
# The suite was published for Python 2 only. It is taken as it is, run through 2to3, and driven on
# Python 3 by wstest.py, which hands its byte strings to the library below as bytes. Its verdicts
# on three servers and a client were the same, case by case, as those of Python 2.
#
# Needs python3 (3.9 or later) with venv. Everything it installs is pinned. Safe to run again: a
# finished prefix is recognised and left alone. Leaves PREFIX/bin/wstest.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
prefix=${1:-${AUTOBAHN_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/tidewire/autobahn}}
suite=25.10.1
say() { echo "conformance/setup: $*" >&2; }

# What is installed is a function of these two files and of the Python that runs it.
stamp="$(cat "$here/setup.sh" "$here/wstest.py" | sha256sum | cut -c1-16) $(python3 --version 2>&1)"
if [[ "$(cat "$prefix/stamp" 2>/dev/null)" == "$stamp" ]] && "$prefix/bin/wstest" -a >/dev/null 2>&1; then
  say "already there: $prefix/bin/wstest"
  exit 0
fi

mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)
rm -rf "$prefix"/{bin,download,stamp,suite,venv}
mkdir -p "$prefix"/{bin,download}
log=$prefix/setup.log

say "$(python3 --version 2>&1), into $prefix"
python3 -m venv "$prefix/venv" >"$log" 2>&1 || {
  tail -n 5 "$log" >&2
  say "python3 has no venv: install the package python3-venv"
  exit 1
}
python="$prefix/venv/bin/python"
pip=("$python" -m pip --disable-pip-version-check --quiet)
{
  "${pip[@]}" install --only-binary :all: setuptools==69.5.1 wheel==0.43.0 fissix==24.4.24 Twisted==24.11.0 \
    zope.interface==7.2 attrs==23.2.0 Automat==24.8.1 constantly==23.10.4 hyperlink==21.0.0 \
    incremental==24.7.2 idna==3.7 six==1.16.0 typing_extensions==4.12.2 Jinja2==3.1.6 MarkupSafe==3.0.2 \
    pyOpenSSL==24.1.0 cryptography==42.0.8 cffi==1.17.1 pycparser==2.22 service-identity==24.1.0 \
    pyasn1==0.6.0 pyasn1-modules==0.4.0 wsaccel==0.6.7 &&
    "${pip[@]}" install --no-deps --no-build-isolation txaio==2.1.0 autobahn==0.10.9 &&
    "${pip[@]}" download --no-deps --dest "$prefix/download" --only-binary :all: --implementation py \
      --python-version 27 --abi none --platform any "autobahntestsuite==$suite" &&
    "$python" -m zipfile -e "$prefix"/download/autobahntestsuite-*.whl "$prefix/suite" &&
    "$python" -W ignore -m fissix -w -n --no-diffs "$prefix/suite/autobahntestsuite"
} >>"$log" 2>&1 || {
  tail -n 15 "$log" >&2
  say "the installation failed; the whole log is $log"
  exit 1
}

# What 2to3 cannot know: old-style bases, one integer division, byte strings in the sources.
case=$prefix/suite/autobahntestsuite/case
sed -i 's/(object, Case, *)/(Case, )/' "$case"/*.py
sed -i 's#/ self\.p\.autoFragmentSize#// self.p.autoFragmentSize#' "$case/case10_1_1.py"
sed -i '/case9_9_1/d' "$case/__init__.py"
for file in "$case"/*.py; do
  sed -i '1,3{/coding[:=]/d}' "$file"
  sed -i '1i # -*- coding: latin-1 -*-' "$file"
done

cp "$here/wstest.py" "$prefix/suite/"
cat >"$prefix/bin/wstest" <<WRAP
#!/bin/sh
export PYTHONUNBUFFERED=1
exec "$python" "$prefix/suite/wstest.py" "$prefix/suite/autobahntestsuite" "\$@"
WRAP
chmod +x "$prefix/bin/wstest"
"$prefix/bin/wstest" -a >&2 || { say "wstest does not start"; exit 1; }
echo "$stamp" >"$prefix/stamp"
say "ready: $prefix/bin/wstest"
