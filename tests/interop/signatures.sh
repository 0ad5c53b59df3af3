#!/bin/sh
# signatures.sh [BUILD]: compares our signatures with those of the implementations that others use, on random requests:
# of AWS, of Twilio's receipts and of webhooks (npm packages @smithy/signature-v4, twilio, standardwebhooks and svix).
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/gcc}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tests/interop/need npm "$folder" @smithy/signature-v4@5 @aws-crypto/sha256-js@5 twilio@6 standardwebhooks@1 svix@1
make -s --no-print-directory "B=$build" "$build/tests/unit/sigv4" "$build/tests/unit/receipt_signatures" \
    "$build/tests/unit/webhook"

cat >"$folder/compare.js" <<'END'
const assert = require('assert'), crypto = require('crypto'), fs = require('fs');
const { execFileSync } = require('child_process');
const { Sha256 } = require('@aws-crypto/sha256-js'), { SignatureV4 } = require('@smithy/signature-v4');
const twilio = require('twilio');
const libraries = [require('standardwebhooks').Webhook, require('svix').Webhook];
const CASES = 1000;

// mulberry32: the same requests on each run.
let state = 20240229;
function below(n) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
}
const one = (list) => list[below(list.length)];
const some = (most, make) => Array.from({ length: below(most + 1) }, make);
const exactly = (count, make) => Array.from({ length: count }, make);
const octets = (count) => Buffer.from(exactly(count, () => below(256)));
const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');
const shuffled = (list) => list.map((each) => [below(1e9), each]).sort((a, b) => a[0] - b[0]).map((each) => each[1]);

const LETTERS = [...'abcXYZ019'];
// Not U+E000 to U+FFFF: whether they sort before U+10000 and above is another matter in each language.
const CHARACTERS = [...LETTERS, ...' -._~!"#$%&\'()*+,/:;<=>?@[\\]^`{|}\t\n\u007f', 'é', 'ß', '한', '글', '漢', '😀', '𝄞'];
const word = (most) => exactly(1 + below(most), () => one(LETTERS)).join('');
const text = (most) => some(most, () => one(CHARACTERS)).join('');
const escaped = (character) => [...Buffer.from(character)].map((octet) => {
    const hex = octet.toString(16).padStart(2, '0');
    return '%' + (below(2) ? hex : hex.toUpperCase());
}).join('');
// As a sender may write it: what need not be escaped may be.
const written = (value, plain) =>
    [...value].map((each) => plain.test(each) && below(4) ? each : escaped(each)).join('');

function ours(test, cases) {
    const file = `${__dirname}/${test}.json`;
    fs.writeFileSync(file, JSON.stringify(cases));
    const env = { ...process.env, PGOUTBOX_CASES: file, CK_FORK: 'no', CK_RUN_CASE: 'test_cases' };
    execFileSync(`${process.argv[2]}/tests/unit/${test}`, { stdio: 'inherit', env });
    const lines = fs.readFileSync(file + '.answers', 'utf8').split('\n');
    assert.strictEqual(lines.pop(), '');
    assert.strictEqual(lines.length, cases.length);
    return lines;
}

let differences = 0;
function compare(entry, our, their) {
    if (our !== their && ++differences <= 20)
        console.error(`differs: ${JSON.stringify(entry)}\n  ours   ${our}\n  theirs ${their}`);
}

async function aws() {
    // A path that ends in a dot segment is left out: theirs is then no folder, which RFC 3986, 5.2.4 says it is.
    const segment = () => one(['', '.', '..', word(6), word(6), written(text(8), /[\w.~!$&'()*+,;=:@-]/)]);
    const path = () => '/' + some(4, () => segment() + '/').join('') + one(['', word(8)]);
    const cases = exactly(CASES, () => {
        const query = {};
        for (const name of some(5, () => one([word(2), word(2), text(5)])))
            query[name] = one([[''], [text(8)], [word(2), word(2), ''], some(4, () => text(6))]);
        const plain = /[\w.~!$'()*,;:@/?-]/;
        const pairs = Object.entries(query).flatMap(([name, values]) => values.map((value) =>
            written(name, plain) + (value === '' && name !== '' && below(2) ? '' : '=' + written(value, plain))));
        const size = one([0, 0, 1, 64, 3000]), headers = {};
        for (const name of some(6, () => one(['content-type', 'x-amz-target', 'x-' + word(3).toLowerCase(), 'accept'])))
            headers[name] = one(['', word(9), text(30), `  ${word(3)} \t  ${word(3)}   `,
                `${word(3)}\r\n   ${word(3)}`]);
        const entry = {
            url: one(['https://', 'http://']) + word(5).toLowerCase() + '.example.com' +
                one(['', ':443', ':80', ':4566']),
            method: one(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH']), path: path(), query, headers,
            body: octets(below(size + 1)).toString('base64'), service: one(['ses', 'sns']),
            region: one(['us-east-1', 'ap-northeast-2', 'eu-central-1', 'us-gov-west-1', 'cn-north-1']),
            access_key_id: 'AKIA' + word(16).toUpperCase(), secret_access_key: octets(1 + below(90)).toString('base64'),
            now_ms: Date.UTC(2000, 0, 1) + below(36000) * 86400000 + below(86400000),
        };
        if (below(2))
            entry.session_token = octets(600).toString('base64');
        if (below(4) === 0)
            headers['x-amz-content-sha256'] = sha256(Buffer.from(entry.body, 'base64'));
        entry.wire = pairs.length > 0 ? entry.path + '?' + shuffled(pairs).join('&') : entry.path;
        return entry;
    });
    const answers = ours('sigv4', cases.map((entry) => ({ ...entry, path: entry.wire })));
    for (const [i, entry] of cases.entries()) {
        const { region, service, access_key_id: accessKeyId, secret_access_key: secretAccessKey } = entry;
        const credentials = { accessKeyId, secretAccessKey, sessionToken: entry.session_token };
        const signer = new SignatureV4({ region, service, credentials, sha256: Sha256, applyChecksum: false });
        const { method, path, query } = entry, headers = { ...entry.headers, host: new URL(entry.url).host };
        const signed = await signer.sign({ method, path, query, headers, body: Buffer.from(entry.body, 'base64') },
            { signingDate: new Date(entry.now_ms) });
        compare(entry, answers[i], signed.headers.authorization);
    }
    console.log(`@smithy/signature-v4 signs ${cases.length} requests`);
}

function receipts() {
    const cases = exactly(CASES, () => {
        const token = word(32), json = below(4) === 0, scheme = one(['https://', 'http://']);
        const host = one(['', '', 'user:p4ss@']) + word(8).toLowerCase() + '.example.com';
        const body = json ? JSON.stringify({ a: text(20) }) : '';
        const query = some(3, () => written(word(3), /./) + '=' + written(text(6), /[\w.~:@/?-]/));
        if (json)
            query.splice(below(query.length + 1), 0, 'bodySHA256=' + sha256(body));
        const rest = '/' + written(text(8), /[\w.~:@-]/) + (query.length > 0 ? '?' + query.join('&') : '');
        const names = ['MessageSid', 'MessageStatus', 'To', 'From', 'Body', 'a', 'A', 'aa', 'é'];
        const params = json ? [] : some(8, () => [one(names), one(['', word(2), text(30)])]);
        const url = () => scheme + host + one(['', '', ':443', ':80', ':8443']) + rest;
        const entry = { token, url: url(), params, body, received: url() };
        const joined = {};
        for (const [name, value] of params)
            (joined[name] = joined[name] || []).push(value);
        for (const name of Object.keys(joined))
            if (joined[name].length === 1)
                joined[name] = joined[name][0];
        entry.signature = twilio.getExpectedTwilioSignature(token, entry.url, joined);
        // Some are changed on the way, and some of those are valid nevertheless.
        one([() => { entry.token = word(32); }, () => { entry.signature = one(['', word(28), entry.signature + '=']); },
            () => { entry.body += ' '; }, () => { entry.received += '&x'; },
            () => { joined.To = 'x'; }, () => { joined[one(names)] = ['y', 'x', 'y']; },
            ...Array(6).fill(() => {})])();
        entry.their = json
            ? twilio.validateRequestWithBody(entry.token, entry.signature, entry.received, entry.body)
            : twilio.validateRequest(entry.token, entry.signature, entry.received, joined);
        entry.params = shuffled(Object.entries(joined).flatMap(([name, values]) =>
            [].concat(values).map((value) => [name, value])));
        return entry;
    });
    const answers = ours('receipt_signatures', cases.map((entry) => ({ ...entry, url: entry.received })));
    for (const [i, entry] of cases.entries())
        compare(entry, answers[i], String(entry.their));
    const accepted = cases.filter((entry) => entry.their).length;
    assert(accepted > CASES / 4 && accepted < CASES * 3 / 4);
    console.log(`twilio accepts ${accepted} of ${cases.length} receipts`);
}

function webhooks() {
    const value = (depth) => one([() => text(20), () => below(1e9) - 5e8, () => null, () => below(2) === 0,
        ...depth > 0 ? [() => some(3, () => value(depth - 1)), () => object(depth - 1)] : []])();
    const object = (depth) => Object.fromEntries(some(4, () => [text(6), value(depth)]));
    const key = () => below(2) ? 'whsec_' + octets(24 + below(41)).toString('base64')
        : exactly(24, () => one(CHARACTERS.filter((each) => each.length === 1 && each < '\u0080'))).join('') + word(30);
    const cases = exactly(CASES, () => ({
        key: key(), former: below(2) ? key() : null, id: crypto.randomUUID(), payload: { type: word(8), ...object(3) },
        created_ms: Date.UTC(2020, 0, 1) + below(1e9), now_ms: Date.UTC(2024, 0, 1) + below(1e9),
    }));
    const answers = ours('webhook', cases);
    let refused = 0;
    for (const [i, entry] of cases.entries()) {
        const [timestamp, signature, body] = answers[i].split('\t');
        const keys = entry.former === null ? [entry.key] : [entry.key, entry.former];
        const readers = keys.map((each) => libraries.map((Webhook) =>
            each.startsWith('whsec_') ? new Webhook(each) : new Webhook(Buffer.from(each), { format: 'raw' })));
        for (const library of libraries.keys())
            compare(entry, signature,
                readers.map((each) => each[library].sign(entry.id, new Date(entry.now_ms), body)).join(' '));
        Date.now = () => entry.now_ms; // they refuse what is old
        const headers = { 'webhook-id': entry.id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
        for (const reader of readers.flat()) {
            try {
                assert.deepStrictEqual(reader.verify(body, headers).data, entry.payload);
            } catch (error) {
                compare(entry, error.message, 'accepted');
            }
            assert.throws(() => reader.verify(body + ' ', headers));
            refused++;
        }
    }
    console.log(`standardwebhooks and svix sign and accept ${cases.length} webhooks, and refuse ${refused} changes`);
}

aws().then(receipts).then(webhooks).then(() => {
    assert.strictEqual(differences, 0, `${differences} differences`);
    console.log('no difference');
});
END
node "$folder/compare.js" "$build"
