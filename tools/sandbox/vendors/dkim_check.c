#include "sandbox/vendors/dkim_check.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>
#include <strings.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "formats/dkim.h"

enum { FIELDS_MAX = 256, VALUE_MAX = 16384, RECORD_MAX = 4096, NAME_MAX_OCTETS = 253, RSA_LEAST_BITS = 1024 };

struct span {
    const char *text;
    size_t size;
};

struct parts {
    struct span fields[FIELDS_MAX]; /* with their line ends */
    size_t count;
    struct span body;
};

/* A signature's tags that matter, without white space. */
struct signature {
    struct buf version, algorithm, forms, domain, selector, names, body_hash, value;
    struct span field;       /* the whole DKIM-Signature */
    struct span value_place; /* what b= has in it */
    enum dkim_form header_form, body_form;
};

static bool split(struct parts *parts, const char *mail, size_t size)
{
    const char *line = mail, *end = mail + size;
    parts->count = 0;
    while (line < end && *line != '\r') {
        const char *next = line;
        do {
            const char *lf = memchr(next, '\n', (size_t)(end - next));
            next = lf ? lf + 1 : end;
        } while (next < end && (*next == ' ' || *next == '\t'));
        if (parts->count == FIELDS_MAX)
            return false;
        parts->fields[parts->count++] = (struct span){line, (size_t)(next - line)};
        line = next;
    }
    if (end - line < 2)
        return false;
    parts->body = (struct span){line + 2, (size_t)(end - line - 2)};
    return true;
}

static bool field_is(struct span field, const char *name, size_t size)
{
    const char *colon = memchr(field.text, ':', field.size);
    return colon && (size_t)(colon - field.text) == size && strncasecmp(field.text, name, size) == 0;
}

static struct span trim(const char *text, const char *end)
{
    while (text < end && isspace((unsigned char)*text))
        text++;
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    return (struct span){text, (size_t)(end - text)};
}

/* The value of a tag as it stands (RFC 6376, 3.2): how often the tag occurs; twice makes the list void. */
static size_t tag_find(struct span list, const char *name, struct span *value)
{
    size_t count = 0;
    for (const char *tag = list.text, *end = list.text + list.size; tag < end;) {
        const char *semicolon = memchr(tag, ';', (size_t)(end - tag));
        const char *stop = semicolon ? semicolon : end;
        const char *equals = memchr(tag, '=', (size_t)(stop - tag));
        if (equals) {
            struct span found = trim(tag, equals);
            if (found.size == strlen(name) && memcmp(found.text, name, found.size) == 0) {
                *value = (struct span){equals + 1, (size_t)(stop - equals - 1)};
                count++;
            }
        }
        tag = stop + 1;
    }
    return count;
}

/* The tag's value without white space; false when it is absent, twice there or too long. */
static bool tag_read(struct span list, const char *name, struct buf *out)
{
    struct span value;
    if (tag_find(list, name, &value) != 1)
        return false;
    for (size_t i = 0; i < value.size; i++)
        if (!isspace((unsigned char)value.text[i]))
            buf_char(out, value.text[i]);
    return !out->overflowed;
}

static bool text_is(const struct buf *text, const char *wanted)
{
    return strcmp(buf_string(text), wanted) == 0;
}

/* "relaxed" alone is relaxed/simple (RFC 6376, 3.5). */
static bool read_forms(struct signature *signature)
{
    static const struct {
        const char *name;
        enum dkim_form header, body;
    } forms[] = {{"", DKIM_SIMPLE, DKIM_SIMPLE},
                 {"simple", DKIM_SIMPLE, DKIM_SIMPLE},
                 {"relaxed", DKIM_RELAXED, DKIM_SIMPLE},
                 {"simple/simple", DKIM_SIMPLE, DKIM_SIMPLE},
                 {"simple/relaxed", DKIM_SIMPLE, DKIM_RELAXED},
                 {"relaxed/simple", DKIM_RELAXED, DKIM_SIMPLE},
                 {"relaxed/relaxed", DKIM_RELAXED, DKIM_RELAXED}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (!text_is(&signature->forms, forms[i].name))
            continue;
        signature->header_form = forms[i].header;
        signature->body_form = forms[i].body;
        return true;
    }
    return false;
}

/* It becomes part of a file's name. */
static bool is_dns_name(const struct buf *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return name->size > 0 && name->size <= NAME_MAX_OCTETS && strspn(name->data, allowed) == name->size;
}

static bool signature_read(struct signature *signature, struct span field)
{
    struct buf *const all[] = {&signature->version,   &signature->algorithm, &signature->forms,
                               &signature->domain,    &signature->selector,  &signature->names,
                               &signature->body_hash, &signature->value};
    *signature = (struct signature){.field = field};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        buf_init(all[i], VALUE_MAX);
    const char *colon = memchr(field.text, ':', field.size);
    const struct span list = {colon + 1, (size_t)(field.text + field.size - colon - 1)};
    struct span value;
    bool has_forms = tag_find(list, "c", &value) > 0;
    /* l= would leave room for a text behind the one that was signed. */
    return tag_find(list, "l", &value) == 0 && tag_read(list, "v", &signature->version) &&
           text_is(&signature->version, "1") && tag_read(list, "a", &signature->algorithm) &&
           (!has_forms || tag_read(list, "c", &signature->forms)) && read_forms(signature) &&
           tag_read(list, "d", &signature->domain) && is_dns_name(&signature->domain) &&
           tag_read(list, "s", &signature->selector) && is_dns_name(&signature->selector) &&
           tag_read(list, "h", &signature->names) && tag_read(list, "bh", &signature->body_hash) &&
           tag_read(list, "b", &signature->value) && tag_find(list, "b", &signature->value_place) == 1;
}

static void signature_free(struct signature *signature)
{
    buf_free(&signature->version);
    buf_free(&signature->algorithm);
    buf_free(&signature->forms);
    buf_free(&signature->domain);
    buf_free(&signature->selector);
    buf_free(&signature->names);
    buf_free(&signature->body_hash);
    buf_free(&signature->value);
}

/* The key of p= (RFC 6376, 3.6.1; RFC 8463, 4.2); an empty one is revoked. */
static EVP_PKEY *key_decode(const struct buf *raw, bool rsa)
{
    const unsigned char *octets = (const unsigned char *)raw->data;
    if (raw->size == 0)
        return NULL;
    if (!rsa)
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, octets, raw->size);
    EVP_PKEY *key = d2i_PUBKEY(NULL, &octets, (long)raw->size);
    if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_LEAST_BITS)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static EVP_PKEY *record_read(struct span record, bool rsa)
{
    struct buf version, kind, text, raw;
    buf_init(&version, RECORD_MAX);
    buf_init(&kind, RECORD_MAX);
    buf_init(&text, RECORD_MAX);
    buf_init(&raw, RECORD_MAX);
    struct span value;
    bool good =
        tag_find(record, "v", &value) == 0 || (tag_read(record, "v", &version) && text_is(&version, "DKIM1"));
    good = good && (tag_find(record, "k", &value) == 0
                        ? rsa
                        : tag_read(record, "k", &kind) && text_is(&kind, rsa ? "rsa" : "ed25519"));
    good = good && tag_read(record, "p", &text) && base64_decode(&raw, buf_string(&text), text.size);
    EVP_PKEY *key = good ? key_decode(&raw, rsa) : NULL;
    buf_free(&version);
    buf_free(&kind);
    buf_free(&text);
    buf_free(&raw);
    return key;
}

static EVP_PKEY *key_find(const struct directory *directory, const struct signature *signature, bool rsa)
{
    struct buf name, record;
    buf_init(&name, 2 * NAME_MAX_OCTETS + 32);
    buf_init(&record, RECORD_MAX);
    buf_printf(&name, "%s._domainkey.%s.txt", signature->selector.data, signature->domain.data);
    EVP_PKEY *key = NULL;
    if (directory_has(directory, buf_string(&name)) &&
        directory_read(directory, buf_string(&name), &record, NULL))
        key = record_read((struct span){buf_string(&record), record.size}, rsa);
    buf_free(&name);
    buf_free(&record);
    return key;
}

static bool body_is_good(const struct signature *signature, struct span body)
{
    unsigned char digest[SHA256_SIZE];
    struct buf canonical, hash;
    buf_init(&canonical, body.size + 2);
    buf_init(&hash, 64);
    bool good = dkim_canonical_body(&canonical, body.text, body.size, signature->body_form);
    digest_sha256(buf_string(&canonical), canonical.size, digest);
    good = good && base64_append(&hash, digest, sizeof(digest)) &&
           text_is(&signature->body_hash, buf_string(&hash));
    buf_free(&canonical);
    buf_free(&hash);
    return good;
}

/* The fields that h= names, each the lowest one not taken before (RFC 6376, 5.4.2). False: From is not there.
 */
static bool append_fields(struct buf *out, const struct signature *signature, const struct parts *parts)
{
    bool taken[FIELDS_MAX] = {false}, has_from = false;
    for (const char *name = buf_string(&signature->names); *name;) {
        size_t size = strcspn(name, ":"), at = parts->count;
        has_from = has_from || (size == 4 && strncasecmp(name, "From", 4) == 0);
        while (at > 0 && (taken[at - 1] || !field_is(parts->fields[at - 1], name, size)))
            at--;
        if (at > 0) {
            taken[at - 1] = true;
            dkim_canonical_field(out, parts->fields[at - 1].text, parts->fields[at - 1].size,
                                 signature->header_form);
        }
        name += size + (name[size] == ':');
    }
    return has_from;
}

/* RFC 6376, 3.7: the signature's own field comes last, with an empty b= and without its line end. */
static bool append_own_field(struct buf *out, const struct signature *signature)
{
    const struct span field = signature->field, place = signature->value_place;
    const char *rest = place.text + place.size;
    struct buf bare;
    buf_init(&bare, field.size);
    buf_append(&bare, field.text, (size_t)(place.text - field.text));
    buf_append(&bare, rest, (size_t)(field.text + field.size - rest));
    bool good = dkim_canonical_field(out, buf_string(&bare), bare.size, signature->header_form);
    buf_free(&bare);
    if (good)
        out->data[out->size -= 2] = '\0';
    return good;
}

static bool value_is_good(const struct signature *signature, const struct parts *parts, EVP_PKEY *key,
                          bool rsa)
{
    size_t most = 0;
    for (size_t i = 0; i < parts->count; i++)
        most += parts->fields[i].size + 2;
    unsigned char digest[SHA256_SIZE];
    struct buf data, raw;
    buf_init(&data, 2 * most);
    buf_init(&raw, VALUE_MAX);
    bool good = append_fields(&data, signature, parts) && append_own_field(&data, signature) &&
                base64_decode(&raw, buf_string(&signature->value), signature->value.size) && raw.size > 0;
    if (good) {
        const unsigned char *input = (const unsigned char *)data.data;
        size_t size = data.size;
        if (!rsa) { /* RFC 8463, 3: the hash is what is signed */
            digest_sha256(data.data, data.size, digest);
            input = digest;
            size = sizeof(digest);
        }
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        good = context && EVP_DigestVerifyInit(context, NULL, rsa ? EVP_sha256() : NULL, NULL, key) == 1 &&
               EVP_DigestVerify(context, (const unsigned char *)raw.data, raw.size, input, size) == 1;
        EVP_MD_CTX_free(context);
    }
    buf_free(&data);
    buf_free(&raw);
    return good;
}

static bool is_good(const struct directory *directory, const struct parts *parts, struct span field)
{
    struct signature signature;
    bool good = signature_read(&signature, field);
    bool rsa = text_is(&signature.algorithm, "rsa-sha256");
    good = good && (rsa || text_is(&signature.algorithm, "ed25519-sha256")) &&
           body_is_good(&signature, parts->body);
    EVP_PKEY *key = good ? key_find(directory, &signature, rsa) : NULL;
    good = key && value_is_good(&signature, parts, key, rsa);
    EVP_PKEY_free(key);
    signature_free(&signature);
    /* A leftover would be taken for an error of the connection's next TLS call. */
    ERR_clear_error();
    return good;
}

const char *dkim_check(const struct directory *directory, const char *mail, size_t size)
{
    static const char name[] = "DKIM-Signature";
    const char *result = "none";
    struct parts parts;
    if (!split(&parts, mail, size))
        return "fail";
    for (size_t i = 0; i < parts.count; i++) {
        if (!field_is(parts.fields[i], name, sizeof(name) - 1))
            continue;
        if (!is_good(directory, &parts, parts.fields[i]))
            return "fail";
        result = "pass";
    }
    return result;
}
