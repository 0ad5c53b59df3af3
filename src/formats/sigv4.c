#include "formats/sigv4.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "crypto/digest.h"
#include "crypto/hex.h"
#include "formats/form.h"

enum { CANONICAL_MAX = 65536 };

struct pair {
    const char *name, *value;
};

/* RFC 3986, 5.2.4, and runs of slashes become one. */
static char *path_normalised(struct arena *arena, const char *path, size_t size)
{
    char *out = arena_alloc(arena, size + 3);
    size_t used = 0;
    bool folder = true;
    out[used++] = '/';
    for (size_t i = 0; i < size;) {
        const char *segment = path + i;
        const char *slash = memchr(segment, '/', size - i);
        size_t length = slash != NULL ? (size_t)(slash - segment) : size - i;
        i += length + 1;
        bool parent = length == 2 && memcmp(segment, "..", 2) == 0;
        bool nothing = length == 0 || (length == 1 && segment[0] == '.');
        folder = slash != NULL || parent || nothing;
        if (parent) {
            while (used > 1 && out[--used - 1] != '/')
                continue;
        } else if (!nothing) {
            memcpy(out + used, segment, length);
            used += length;
            out[used++] = '/';
        }
    }
    if (!folder)
        used--;
    out[used] = '\0';
    return out;
}

static void append_path(const struct sigv4 *sigv4, struct arena *arena, const char *path, size_t size,
                        struct buf *out)
{
    if (!sigv4->path_as_is) {
        path = path_normalised(arena, path, size);
        size = strlen(path);
    }
    for (size_t i = 0; i < size; i++) {
        if (path[i] == '/')
            buf_char(out, '/');
        else
            form_escape(out, path + i, 1);
    }
}

/* A part of the query may be escaped already, in more ways than the one that is signed. */
static const char *escaped_anew(struct arena *arena, const char *text, size_t size)
{
    struct buf out;
    buf_init(&out, CANONICAL_MAX);
    for (size_t i = 0; i < size; i++) {
        char octet = text[i];
        if (octet == '%' && size - i > 2 && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            octet = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
            i += 2;
        }
        form_escape(&out, &octet, 1);
    }
    const char *copy = out.overflowed ? NULL : arena_strdup(arena, buf_string(&out));
    buf_free(&out);
    return copy;
}

static int pair_order(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : strcmp(left->value, right->value);
}

static bool append_query(struct arena *arena, const char *query, struct buf *out)
{
    size_t count = 0, most = 1;
    for (const char *c = query; *c != '\0'; c++)
        most += *c == '&';
    struct pair *pairs = arena_alloc(arena, most * sizeof *pairs);
    while (*query != '\0') {
        size_t size = strcspn(query, "&"), name = strcspn(query, "=&");
        const char *value = query + name + (name < size ? 1 : 0);
        if (size > 0) {
            struct pair *pair = &pairs[count++];
            pair->name = escaped_anew(arena, query, name);
            pair->value = escaped_anew(arena, value, (size_t)(query + size - value));
            if (pair->name == NULL || pair->value == NULL)
                return false;
        }
        query += size + (query[size] == '&');
    }
    qsort(pairs, count, sizeof *pairs, pair_order);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s=%s", i > 0 ? "&" : "", pairs[i].name, pairs[i].value);
    return true;
}

/* Trimmed, inner runs of white space as one space. */
static void append_value(struct buf *out, const char *value)
{
    static const char white[] = " \t\r\n";
    bool first = true;
    while (*(value += strspn(value, white)) != '\0') {
        size_t size = strcspn(value, white);
        if (!first)
            buf_char(out, ' ');
        buf_append(out, value, size);
        value += size;
        first = false;
    }
}

/* Adds one to those that are sorted by name; equal names keep their order. */
static void insert_header(struct sigv4_header *sorted, size_t *count, const char *name, const char *value)
{
    size_t place = (*count)++;
    for (; place > 0 && strcmp(sorted[place - 1].name, name) > 0; place--)
        sorted[place] = sorted[place - 1];
    sorted[place] = (struct sigv4_header){name, value};
}

static void append_headers(const struct sigv4_header *sorted, size_t count, struct buf *lines,
                           struct buf *names)
{
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && strcmp(sorted[i].name, sorted[i - 1].name) == 0;
        if (again) {
            buf_char(lines, ',');
        } else {
            buf_printf(lines, "%s%s:", i > 0 ? "\n" : "", sorted[i].name);
            buf_printf(names, "%s%s", i > 0 ? ";" : "", sorted[i].name);
        }
        append_value(lines, sorted[i].value);
    }
}

/* As the Host header has it: without the scheme's own port. */
static const char *host_of(struct arena *arena, const char *url)
{
    const char *start = strstr(url, "://");
    const char *host = start != NULL ? start + 3 : url;
    size_t size = strlen(host);
    const char *port = strncmp(url, "https:", 6) == 0 ? ":443" : ":80";
    size_t port_size = strlen(port);
    if (size > port_size && strcmp(host + size - port_size, port) == 0)
        size -= port_size;
    return arena_strndup(arena, host, size);
}

static void hash_hex(const void *data, size_t size, char hex[2 * SHA256_SIZE + 1])
{
    unsigned char digest[SHA256_SIZE];
    digest_sha256(data, size, digest);
    hex_encode(digest, sizeof digest, hex);
}

/* added: the headers that are signed besides the request's own and the host. */
static bool canonical_request(const struct sigv4 *sigv4, struct arena *arena,
                              const struct sigv4_request *request, const struct sigv4_header *added,
                              size_t added_count, struct buf *out, struct buf *names)
{
    char body_hash[2 * SHA256_SIZE + 1];
    size_t path_size = strcspn(request->path, "?"), count = 0;
    const char *query = request->path + path_size;
    hash_hex(request->body != NULL ? request->body : "", request->body_size, body_hash);
    buf_printf(out, "%s\n", request->method);
    append_path(sigv4, arena, request->path, path_size, out);
    buf_char(out, '\n');
    if (!append_query(arena, query + (*query == '?'), out))
        return false;
    buf_char(out, '\n');
    struct sigv4_header *sorted =
        arena_alloc(arena, (1 + request->header_count + added_count) * sizeof *sorted);
    insert_header(sorted, &count, "host", host_of(arena, sigv4->url));
    for (size_t i = 0; i < request->header_count; i++)
        insert_header(sorted, &count, request->headers[i].name, request->headers[i].value);
    for (size_t i = 0; i < added_count; i++)
        insert_header(sorted, &count, added[i].name, added[i].value);
    append_headers(sorted, count, out, names);
    buf_printf(out, "\n\n%s\n%s", buf_string(names), body_hash);
    return !out->overflowed && !names->overflowed;
}

static void derive(unsigned char key[SHA256_SIZE], const char *text)
{
    unsigned char next[SHA256_SIZE];
    digest_hmac_sha256(key, SHA256_SIZE, text, strlen(text), next);
    memcpy(key, next, SHA256_SIZE);
    explicit_bzero(next, sizeof next);
}

static void signing_key(const struct sigv4 *sigv4, const char *day, unsigned char key[SHA256_SIZE])
{
    size_t size = strlen("AWS4") + strlen(sigv4->secret_access_key);
    char *first = mem_alloc(size + 1);
    memcpy(first, "AWS4", 4);
    memcpy(first + 4, sigv4->secret_access_key, size - 4);
    digest_hmac_sha256(first, size, day, strlen(day), key);
    explicit_bzero(first, size);
    mem_free(first);
    derive(key, sigv4->region);
    derive(key, sigv4->service);
    derive(key, "aws4_request");
}

size_t sigv4_sign(const struct sigv4 *sigv4, const struct sigv4_request *request, int64_t now_ms,
                  struct arena *arena, struct sigv4_header added[SIGV4_ADDED])
{
    char moment[32], day[16];
    if (!clock_utc(now_ms, "%Y%m%dT%H%M%SZ", moment, sizeof moment) ||
        !clock_utc(now_ms, "%Y%m%d", day, sizeof day))
        return 0;
    size_t count = 0;
    added[count++] = (struct sigv4_header){"x-amz-date", arena_strdup(arena, moment)};
    if (sigv4->session_token != NULL)
        added[count++] = (struct sigv4_header){"x-amz-security-token", sigv4->session_token};

    struct buf canonical, names;
    buf_init(&canonical, CANONICAL_MAX);
    buf_init(&names, CANONICAL_MAX);
    bool ok = canonical_request(sigv4, arena, request, added, count, &canonical, &names);
    if (ok) {
        unsigned char key[SHA256_SIZE], signature[SHA256_SIZE];
        char hash[2 * SHA256_SIZE + 1], hex[2 * SHA256_SIZE + 1];
        hash_hex(canonical.data, canonical.size, hash);
        const char *scope = arena_printf(arena, "%s/%s/%s/aws4_request", day, sigv4->region, sigv4->service);
        const char *text = arena_printf(arena, "AWS4-HMAC-SHA256\n%s\n%s\n%s", moment, scope, hash);
        signing_key(sigv4, day, key);
        digest_hmac_sha256(key, sizeof key, text, strlen(text), signature);
        explicit_bzero(key, sizeof key);
        hex_encode(signature, sizeof signature, hex);
        const char *authorization =
            arena_printf(arena, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                         sigv4->access_key_id, scope, buf_string(&names), hex);
        added[count++] = (struct sigv4_header){"authorization", authorization};
    }
    buf_free(&canonical);
    buf_free(&names);
    return ok ? count : 0;
}
