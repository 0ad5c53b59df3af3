#!/bin/sh
# webpush.sh [BUILD]: reads a push that tests/unit/webpush made with the implementations that others use (npm packages
# http_ece, web-push and jws).
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/gcc}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

make -s --no-print-directory "B=$build" "$build/tests/unit/webpush"
PGOUTBOX_PRINT_WEBPUSH=$folder/push.json CK_FORK=no "$build/tests/unit/webpush"
tests/interop/need npm "$folder" http_ece@1 web-push@3 jws@4

cat >"$folder/read.js" <<'END'
const crypto = require('crypto'), assert = require('assert'), fs = require('fs');
const ece = require('http_ece'), jws = require('jws'), webpush = require('web-push');
const push = JSON.parse(fs.readFileSync(__dirname + '/push.json'));
const octets = (text) => Buffer.from(text, 'base64url');
const { p256dh, auth } = push.subscription.keys;

// The body, with the receiver's private key.
const receiver = crypto.createECDH('prime256v1');
receiver.setPrivateKey(octets(push.private));
assert.strictEqual(receiver.getPublicKey('base64url'), p256dh);
const body = octets(push.body);
const text = ece.decrypt(body, { version: 'aes128gcm', privateKey: receiver, authSecret: auth });
assert.deepStrictEqual(JSON.parse(text), push.text);
console.log('http_ece decrypts our body:', body.length, 'octets,', text.length, 'of text');
body[body.length - 1] ^= 1;
assert.throws(() => ece.decrypt(body, { version: 'aes128gcm', privateKey: receiver, authSecret: auth }));
console.log('http_ece refuses it when one bit is changed');

// The token, with the public key that stands beside it.
const [, token, key] = /^vapid t=([^,]+), k=(\S+)$/.exec(push.authorization);
const point = octets(key);
const pem = crypto.createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') } })
    .export({ type: 'spki', format: 'pem' });
assert(jws.verify(token, 'ES256', pem));
const claims = jws.decode(token, { json: true }).payload;
assert.strictEqual(claims.aud, push.origin);
assert(claims.exp > push.now && claims.exp - push.now <= 12 * 3600);
console.log('jws verifies our token:', JSON.stringify(claims));

// web-push makes the same kind of request for the same subscription: equal headers, token and body of equal form.
const pair = webpush.generateVAPIDKeys();
const theirs = webpush.generateRequestDetails(push.subscription, text, { TTL: 60, topic: 'order-17', urgency: 'high',
    vapidDetails: { subject: claims.sub, publicKey: pair.publicKey, privateKey: pair.privateKey } });
const [, other] = /^vapid t=([^,]+), k=(\S+)$/.exec(theirs.headers.Authorization);
assert.deepStrictEqual(jws.decode(token).header, jws.decode(other).header);
assert.deepStrictEqual(Object.keys(claims), Object.keys(jws.decode(other, { json: true }).payload));
assert.strictEqual(theirs.body.length, body.length);
assert.deepStrictEqual(theirs.body.subarray(16, 21), body.subarray(16, 21));
assert.strictEqual(theirs.headers['Content-Encoding'], 'aes128gcm');
console.log('web-push makes a request of the same form');
END
node "$folder/read.js"
