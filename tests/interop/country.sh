#!/bin/sh
# country.sh [BUILD]: compares the country of numbers of every kind and country with what Google's libphonenumber says
# (npm packages google-libphonenumber, and libphonenumber-js for the patterns that numbers are made from).
# country.sh --write: makes tests/vectors/country.tsv anew, the same with fewer numbers.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/gcc}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tests/interop/need npm "$folder" google-libphonenumber@3 libphonenumber-js@1

cat >"$folder/make.js" <<'END'
const assert = require('assert');
const { PhoneNumberFormat, PhoneNumberUtil } = require('google-libphonenumber');
const metadata = require('libphonenumber-js/metadata.max.json');
const library = PhoneNumberUtil.getInstance();
const KINDS = 11, TYPES = 11; // kinds of number; where a country's patterns for them stand

// mulberry32: the same numbers on each run.
let state = 20240229;
function below(n) {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
}

// Of a pattern, as a list of alternatives. Each is a list of [part, least, most], and a part either a string of
// possible digits or a list of alternatives again.
function parse(tokens) {
    const alternatives = [[]];
    for (let token; (token = tokens.shift()) !== undefined && token !== ')';) {
        const last = alternatives[alternatives.length - 1];
        if (token === '|')
            alternatives.push([]);
        else if (token === '?')
            last[last.length - 1][1] = 0;
        else if (token[0] === '{')
            last[last.length - 1].splice(1, 2, ...token.match(/\d+/g).map(Number));
        else if (token[0] === '(')
            last.push([parse(tokens), 1, 1]);
        else
            last.push(['0123456789'.match(new RegExp(token, 'g')).join(''), 1, 1]);
    }
    return alternatives;
}
const read = (pattern) => parse(pattern.match(/\(\?:|\[[^\]]*\]|\{[^}]*\}|\\d|./g));

function write(part) {
    if (typeof part === 'string')
        return part[below(part.length)];
    return part[below(part.length)].map(([inside, least, most = least]) =>
        Array.from({ length: least + below(most - least + 1) }, () => write(inside)).join('')).join('');
}

// Where the library is followed in its own words, but not to the letter.
const valid = (number, country) => library.isValidNumberForRegion(library.parse(number), country);
const OTHERS = [
    // Numbers of both countries by its patterns, of which it names the first; by the plans they are the other's.
    [/^\+447924/, 'IM'], [/^\+212528[89]/, 'EH']];
const LEFT_OUT = [
    /^\+1310\d{4}$/, // Canada's short ones, which nobody abroad can call: +1 310 is in California
    /^\+4498[01]/];  // all the kingdom's, of which no country's pattern but Guernsey's knows them

const seen = new Set(), countries = new Set(), counts = { 'not valid': 0, 'left out': 0 };
function add(number) {
    if (seen.has(number))
        return;
    seen.add(number);
    const parsed = library.parse(number);
    if (!library.isValidNumber(parsed)) {
        counts['not valid']++;
    } else if (!/^\+\d{7,15}$/.test(number) || LEFT_OUT.some((pattern) => pattern.test(number))) {
        counts['left out']++;
    } else {
        let country = library.getRegionCodeForNumber(parsed);
        for (const [pattern, other] of OTHERS)
            if (pattern.test(number) && country !== other) {
                assert(valid(number, other));
                country = other;
            }
        if (country === '001')
            country = '-'; // a network of no country
        else
            countries.add(country);
        process.stdout.write(number + '\t' + country + '\n');
    }
}

const wanted = Number(process.argv[2]);
function addAll(code, types, example) {
    for (let kind = 0; kind < KINDS; kind++) {
        const number = example(kind);
        if (number)
            add(library.format(number, PhoneNumberFormat.E164));
    }
    for (const type of types.filter((each) => each && each[0]))
        for (let i = 0, pattern = read(type[0]); i < wanted; i++)
            add('+' + code + write(pattern));
}
for (const [code, names] of Object.entries(metadata.country_calling_codes))
    for (const name of names)
        addAll(code, metadata.countries[name][TYPES], (kind) => library.getExampleNumberForType(name, kind));
for (const [code, network] of Object.entries(metadata.nonGeographic))
    addAll(code, network[TYPES], (kind) => kind === 0 && library.getExampleNumberForNonGeoEntity(Number(code)));
console.error([`${countries.size} countries`, ...Object.entries(counts).map((each) => each.reverse().join(' '))]
    .join(', '));
END
if [ "$build" = --write ]; then
    node "$folder/make.js" 2 >tests/vectors/country.tsv
    exit
fi
node "$folder/make.js" 3000 >"$folder/country.tsv"
make -s --no-print-directory "B=$build" "$build/tests/unit/country"
PGOUTBOX_VECTORS=$folder CK_FORK=no "$build/tests/unit/country"
echo "no difference in $(wc -l <"$folder/country.tsv") numbers"
