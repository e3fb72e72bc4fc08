# Shared by ops/demo, ops/test and .ci/run: installs what is missing, and says so.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

apt_updated=no
# need COMMAND PACKAGE: installs a Debian package if its command is missing.
need() {
  command -v "$1" >/dev/null 2>&1 && return 0
  command -v apt-get >/dev/null 2>&1 || die "$1 is missing, and there is no apt-get to install $2 with. Install it and run this again."
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "$1 is missing. Run this as root, or install the package $2 first."
    sudo=(sudo)
  fi
  if [ "$apt_updated" = no ]; then
    say "  updating the package list"
    "${sudo[@]}" apt-get update -qq || say "  (the package list could not be updated; trying with the one there is)"
    apt_updated=yes
  fi
  say "  installing $2 (for $1)"
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "$2" >/dev/null ||
    die "The package $2 could not be installed. Install it by hand and run this again."
}

# need_file FILE PACKAGE: installs a Debian package if a file of it is missing; `*` in the name stands for any.
need_file() {
  compgen -G "$1" >/dev/null || need "the-file-${1##*/}" "$2"
}

rust_wanted=1.95

# Everything that building takes: Rust, a C compiler, perl and make.
need_build_tools() {
  say "Looking for what the build needs:"
  need cc gcc
  need make make
  need perl perl
  [ -e /usr/include/stdlib.h ] || need the-C-headers libc6-dev
  [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
  if ! command -v cargo >/dev/null 2>&1 && apt-cache show rustup >/dev/null 2>&1; then
    need rustup rustup
  fi
  if ! command -v cargo >/dev/null 2>&1 && command -v rustup >/dev/null 2>&1; then
    say "  installing Rust (stable) through rustup"
    rustup toolchain install stable --profile minimal --component clippy --component rustfmt >/dev/null
  fi
  command -v cargo >/dev/null 2>&1 ||
    die "Rust is missing and this system has no package for Rust $rust_wanted. Install it from rust-lang.org (rustup) and run this again."
  local have; have=$(rustc --version | cut -d' ' -f2)
  [ "$(printf '%s\n' "$rust_wanted" "$have" | sort -V | head -n 1)" = "$rust_wanted" ] ||
    die "Rust $have is too old; $rust_wanted or later is needed (rustup update stable)."
  say "  all there: Rust $have, $(cc --version | head -n 1)"
}

# What the whole workspace takes beyond the product: libxmlsec1 and its headers, for the second engine.
need_second_engine_tools() {
  need pkg-config pkg-config
  need xmlsec1-config libxmlsec1-dev
  need_file /usr/include/libxml2/libxml/tree.h libxml2-dev
  # Not libclang-cpp, which LLVM brings along and bindgen cannot use.
  need_file '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' libclang-dev
}

# The tools of others that our signatures and envelopes are compared with.
need_oracles() {
  need xmllint libxml2-utils
  need xmlsec1 xmlsec1
  need openssl openssl
  need java openjdk-17-jre-headless
  java -version >/dev/null 2>&1 || die "java is there but does not run"
  # Some oracles compile one small file; a runtime without the compiler cannot.
  java --list-modules 2>/dev/null | grep -q '^jdk.compiler' || need javac openjdk-17-jdk-headless
  need python3 python3
  local venv=${CARGO_TARGET_DIR:-target}/signxml
  if ! "$venv/bin/python" -c 'import signxml' >/dev/null 2>&1; then
    need_file '/usr/lib/python3*/ensurepip' python3-venv
    say "  installing signxml (Python) into $venv"
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check 'signxml==5.2.0' ||
      die "signxml could not be installed. Run: $venv/bin/pip install signxml"
  fi
}

# HL7's validator for FHIR, as HAPI packs it, copied beside the build by Maven; and what PDFs are looked at with.
need_document_oracles() {
  need pdftotext poppler-utils
  need java openjdk-17-jre-headless
  need_jars "HL7's validator" hl7-validator message-schemas/tests/forms/pom.xml
}

# What a pom.xml names, copied beside the build by Maven.
need_jars() {
  local what=$1 folder=${CARGO_TARGET_DIR:-$PWD/target}/$2 pom=$PWD/$3
  if ! cmp -s "$pom" "$folder/complete"; then
    need mvn maven
    say "  fetching $what (Maven) into $folder"
    rm -rf "$folder" && mkdir -p "$folder"
    mvn -q -B -f "$pom" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      "-DoutputDirectory=$folder" >&2 && cp "$pom" "$folder/complete" ||
      die "$what could not be fetched. Maven names the reason above; run this again when it is gone."
  fi
}

# The servers of the distributed form. Tests and the demo start private ones; the packages' own services are left alone.
need_servers() {
  need_file /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server
  need epmd erlang-base
  need erl_call erlang-base
  need_file '/usr/lib/postgresql/*/bin/postgres' postgresql
  need setpriv util-linux
  need python3 python3
  # An AMQP 1.0 client that is not ours, to hold ours against.
  local venv=${CARGO_TARGET_DIR:-target}/proton
  if ! "$venv/bin/python" -c 'import proton' >/dev/null 2>&1; then
    need_file '/usr/lib/python3*/ensurepip' python3-venv
    say "  installing python-qpid-proton (Python) into $venv"
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check 'python-qpid-proton==0.40.0' ||
      die "python-qpid-proton could not be installed. Run: $venv/bin/pip install python-qpid-proton"
  fi
}

# A server of AMQP 1.0 that is not RabbitMQ, for the tests alone. Started from a source file, which the runtime alone cannot
# compile.
need_other_servers() {
  need java openjdk-17-jre-headless
  java --list-modules 2>/dev/null | grep -q '^jdk.compiler' || need javac openjdk-17-jdk-headless
  need_jars "ActiveMQ Artemis" artemis tests/servers/artemis/pom.xml
}
