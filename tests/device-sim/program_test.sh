#!/usr/bin/env bash
# Runs the program as people do: what it prints, how it exits, what it says when something is wrong.
set -euo pipefail
program=$1
folder=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"

fail() {
  echo "program_test: $*" >&2
  exit 1
}
expect_in() { grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "'$2' is not in $1"; }; }

# devices: as many lines as asked for, the same again, and other ones for another seed.
"$program" devices --count 1000 --seed 5 --topic channel-42 >one
"$program" devices --count 1000 --seed 5 --topic channel-42 >two
"$program" devices --count 1000 --seed 6 --topic channel-42 >three
"$program" devices --count 1000 --seed 5 --topic channel-42 --shuffle >shuffled
[ "$(wc -l <one)" -eq 1000 ] || fail "devices printed $(wc -l <one) lines"
cmp -s one two || fail "the same seed gave other devices"
cmp -s one three && fail "another seed gave the same devices"
cmp -s one shuffled && fail "--shuffle left the order alone"
cmp -s <(sort one) <(sort shuffled) || fail "--shuffle changed more than the order"
"$program" devices --count 100000 | head -1 >/dev/null || fail "devices minds a reader that leaves"
"$program" devices --count 1 --mix pager:1 2>err && fail "an unknown platform was taken"
expect_in err "not a platform"

# serve: a config that cannot work is reported whole.
"$program" serve 2>err && fail "serve ran without a config"
expect_in err "--config is needed"
printf 'treads = 1\n[tls]\ncertificate = "missing.pem"\n' >bad.toml
"$program" serve --config bad.toml 2>err && fail "serve ran with a bad config"
expect_in err "bad.toml:1: unknown key 'treads'"
expect_in err "bad.toml:3: certificate"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.pem 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out apns.key
openssl pkey -in apns.key -pubout -out apns.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out fcm.key 2>/dev/null
openssl pkey -in fcm.key -pubout -out fcm.pem
cat >sim.toml <<'TOML'
[tls]
certificate = "tls.pem"
key = "tls.key"
[apns]
listen = "127.0.0.1:0"
topics = ["com.example.video"]
[[apns.keys]]
key_id = "ABCDE12345"
team_id = "TEAM123456"
public_key = "apns.pem"
[fcm]
listen = "127.0.0.1:0"
project = "carillon-demo"
client_email = "push@carillon-demo.iam.gserviceaccount.com"
public_key = "fcm.pem"
token_uri = "https://localhost:8444/token"
[control]
listen = "127.0.0.1:0"
TOML
for signal in TERM INT; do
  "$program" serve --config sim.toml --devices 10 --threads 2 >out 2>err &
  server=$!
  for _ in $(seq 200); do
    if grep -q '^ready$' out || ! kill -0 "$server" 2>/dev/null; then break; fi
    read -rt 0.05 <> <(:) || true
  done
  expect_in out ready
  apns=$(sed -n 's/^apns listening on //p' out)
  [ -n "$apns" ] || fail "serve did not say where APNs listens"
  grep -Eq '^control listening on 127\.0\.0\.1:[1-9][0-9]*$' out || fail "no control address"
  "$program" serve --config sim.toml --apns "$apns" 2>err2 && fail "two took the same port"
  expect_in err2 "cannot listen on $apns"
  CARILLON_API_KEY='' "$program" listen --count 1 --topic t 2>err2 && fail "listen ran without a key"
  expect_in err2 CARILLON_API_KEY
  kill -s "$signal" "$server"
  wait "$server" || fail "serve ended with $? on $signal"
  server=
done
echo "program_test: all is well"
