#!/bin/bash
# imgrec @ASSIGNMENT@
# Makes a part of an imgrec cluster of a fresh machine: fetches the software, verifies it, installs the units, starts them.
# Needs what Amazon Linux 2023, Ubuntu 24.04 and Debian 12 images have: bash, curl >= 7.88, tar, gzip, sha256sum, useradd, setpriv.
# The AWS SDK's variables name other endpoints: AWS_EC2_METADATA_SERVICE_ENDPOINT, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL.
set -euo pipefail
umask 022

assignment='@ASSIGNMENT@'
role='@ROLE@'
cluster='@CLUSTER@'
artifact='@ARTIFACT@'
stop_seconds='@STOP_SECONDS@'

base=/opt/imgrec
log=/var/log/imgrec-boot.log
imds="${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}"
patient=(--connect-timeout 5 --retry 8 --retry-delay 1 --retry-connrefused)
instance='' bucket_url='' doing='starting'

say() { printf 'imgrec: %s\n' "$*" >&2; }

step() {
  doing="$1"
  say "$doing"
}

# IMDSv2 only: every read carries the token.
metadata() {
  curl -fsS "${patient[@]}" --max-time 5 -H "X-aws-ec2-metadata-token: $token" "${imds%/}/latest/$1"
}

# The text of one field of a JSON object, on stdin.
field() { sed -n 's/.*"'"$1"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' | head -n 1; }

# A new instance profile takes some seconds until it is usable.
credentials() {
  local profile keys attempt
  for attempt in $(seq 1 60); do
    if profile=$(metadata meta-data/iam/security-credentials/) &&
      keys=$(metadata "meta-data/iam/security-credentials/$profile") &&
      [ "$(field Code <<<"$keys")" = Success ]; then
      printf '%s\n' "$keys"
      return 0
    fi
    say "no credentials yet ($attempt)"
    sleep 2
  done
  return 1
}

# A request for a key of the ops bucket, with a body that may be empty and more of curl's arguments. curl gets the secrets on
# stdin, because arguments can be read by every process; the body's digest it signs only in newer versions by itself.
s3() {
  local key="$1" digest keys
  digest=$(printf '%s' "$2" | sha256sum | cut -d ' ' -f 1)
  shift 2
  keys=$(credentials)
  printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' \
    "$(field AccessKeyId <<<"$keys")" "$(field SecretAccessKey <<<"$keys")" "$(field Token <<<"$keys")" |
    curl -fsS "${patient[@]}" --config - --aws-sigv4 "aws:amz:$region:s3" \
      -H "x-amz-content-sha256: $digest" -H "x-amz-expected-bucket-owner: $account" "$@" "$bucket_url/$key"
}

# What a worker says of itself, in the same place: see src/reports. Arguments: state, reason (no quotes in it).
report() {
  local figures='"readyForSeconds":0,"imagesDone":0,"busySeconds":0,"emptyReceivesWithBacklog":0'
  local body="{\"v\":1,\"instance\":\"$instance\",\"state\":\"$1\",$figures,\"reason\":\"$2\"}"
  s3 "fleet/$instance.json" "$body" --max-time 30 -X PUT -H 'content-type: application/json' --data-binary "$body"
}

ended() {
  local status=$? last
  [ "$status" -eq 0 ] && return
  last=$(tail -n 1 "$log" | tr -cd '[:alnum:] .:()/_-' | cut -c 1-200)
  say "failed while $doing"
  if [ -n "$bucket_url" ] && ! report stopped "failed while $doing: $last"; then say 'the reason could not be stored'; fi
  cat "$log" >&3
}

exec 3>&2 2>"$log"
trap ended EXIT

step 'asking the metadata service who this is'
token=$(curl -fsS "${patient[@]}" --max-time 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600' "${imds%/}/latest/api/token")
identity=$(metadata dynamic/instance-identity/document)
account=$(field accountId <<<"$identity")
region=$(field region <<<"$identity")
instance=$(metadata meta-data/instance-id)
bucket="$cluster-ops-$account-$region"
endpoint="${AWS_ENDPOINT_URL_S3:-${AWS_ENDPOINT_URL:-}}"
if [ -n "$endpoint" ]; then
  bucket_url="${endpoint%/}/$bucket"
else
  bucket_url="https://$bucket.s3.$region.$(metadata meta-data/services/domain)"
fi

# Without an artifact it is the software of the machine's image; with one that the image was baked with, it is there already.
home="$base/${artifact:-current}"
if [ -z "$artifact" ]; then
  step 'looking for the software of this image'
  home=$(readlink -e "$base/current")
elif [ ! -e "$home/.complete" ]; then
  step "fetching artifact $artifact"
  mkdir -p "$base"
  s3 "artifacts/$artifact.tgz" '' --max-time 900 -o "$home.tgz"
  step "verifying artifact $artifact"
  printf '%s  %s\n' "$artifact" "$home.tgz" | sha256sum --check --quiet >&2
  step "unpacking artifact $artifact"
  rm -rf "$home.part" "$home"
  mkdir "$home.part"
  tar -xzf "$home.tgz" -C "$home.part" --no-same-owner
  touch "$home.part/.complete"
  mv "$home.part" "$home"
  rm "$home.tgz"
fi
ln -sfn "$home" "$base/current"

step 'installing the units'
id imgrec >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir / --shell /sbin/nologin imgrec
mkdir -p /etc/imgrec /etc/systemd/system/imgrec@.service.d
cp "$home/assets/userdata/imgrec@.service" /etc/systemd/system/
printf '[Service]\nTimeoutStopSec=%s\n' "$stop_seconds" >/etc/systemd/system/imgrec@.service.d/grace.conf
if [ "$role" = worker ]; then
  # A worker that has drained ends its machine, which ends the instance: its shutdown behaviour is "terminate".
  mkdir -p /etc/systemd/system/imgrec@worker.service.d
  printf '[Unit]\nSuccessAction=poweroff\n' >/etc/systemd/system/imgrec@worker.service.d/poweroff.conf
fi
{
  printf "IMGREC_USER_DATA='%s'\nIMGREC_INSTANCE_ID='%s'\nAWS_REGION='%s'\n" "$assignment" "$instance" "$region"
  if [ "$role" = web ]; then printf "IMGREC_HOST='0.0.0.0'\nIMGREC_PUBLIC='1'\n"; fi
  # Where this script was told to go, the units go too.
  for name in AWS_EC2_METADATA_SERVICE_ENDPOINT AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3; do
    if [ -n "${!name:-}" ]; then printf "%s='%s'\n" "$name" "${!name}"; fi
  done
} >/etc/imgrec/environment

case "$role" in
  worker) parts=(worker) ;;
  web) parts=(serve scale) ;;
  image) parts=(image) ;;
esac

if [ -d /run/systemd/system ]; then
  step "starting ${parts[*]}"
  systemctl daemon-reload
  systemctl start "${parts[@]/#/imgrec@}"
  if [ "$role" = image ]; then
    # Nobody may come back for a machine that an image was to be made of.
    shutdown -P +120
  else
    systemctl enable "${parts[@]/#/imgrec@}"
  fi
else
  step "starting ${parts[*]} in place of this script, since there is no systemd"
  cat "$log" >&3
  exec 2>&3 3>&-
  set -a
  # shellcheck source=/dev/null
  . /etc/imgrec/environment
  set +a
  cd "$base/current"
  exec setpriv --reuid imgrec --regid imgrec --clear-groups --no-new-privs \
    node/bin/node dist/bin/imgrec.js instance
fi
cat "$log" >&3
