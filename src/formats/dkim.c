#include "formats/dkim.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "crypto/base64.h"
#include "crypto/digest.h"
#include "formats/mime_encode.h"

static const char blanks[] = " \t\r\n";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of the field at text with its continuation lines and line ends; 0 at the end of the header. */
static size_t field_size(const char *text, const char *end)
{
    if (end - text >= 2 && text[0] == '\r' && text[1] == '\n')
        return 0;
    const char *at = text;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        at = line_end == NULL ? end : line_end + 1;
        if (at < end && !is_blank(*at))
            break;
    }
    return (size_t)(at - text);
}

static bool field_is(const char *field, size_t size, const char *name, size_t name_size)
{
    if (size < name_size || strncasecmp(field, name, name_size) != 0)
        return false;
    size_t at = name_size;
    while (at < size && is_blank(field[at]))
        at++;
    return at < size && field[at] == ':';
}

/* How often the field occurs; the one with the given index from the top goes to *found. */
static size_t fields_find(const char *mail, size_t mail_size, const char *name, size_t name_size,
                          size_t index, const char **found, size_t *found_size)
{
    size_t count = 0, size;
    const char *end = mail + mail_size;
    for (const char *field = mail; (size = field_size(field, end)) > 0; field += size) {
        if (!field_is(field, size, name, name_size))
            continue;
        if (count++ == index) {
            *found = field;
            *found_size = size;
        }
    }
    return count;
}

/* The canonical form without its line end. */
static void write_field(struct buf *out, const char *field, size_t size, enum dkim_form form)
{
    if (form == DKIM_SIMPLE) {
        if (size >= 2 && memcmp(field + size - 2, "\r\n", 2) == 0)
            size -= 2;
        buf_append(out, field, size);
        return;
    }
    size_t at = 0;
    for (; at < size && field[at] != ':'; at++) {
        if (!is_blank(field[at]))
            buf_char(out, (char)tolower((unsigned char)field[at]));
    }
    buf_char(out, ':');
    bool begun = false, gap = false;
    for (at++; at < size; at++) {
        if (is_blank(field[at])) {
            gap = true;
        } else if (field[at] != '\r' && field[at] != '\n') {
            if (gap && begun)
                buf_char(out, ' ');
            buf_char(out, field[at]);
            begun = true;
            gap = false;
        }
    }
}

bool dkim_canonical_field(struct buf *out, const char *field, size_t size, enum dkim_form form)
{
    write_field(out, field, size, form);
    return buf_text(out, "\r\n");
}

/* A line of a relaxed body: each run of blanks becomes one space. */
static void write_relaxed_line(struct buf *out, const char *line, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t start = at;
        while (at < size && !is_blank(line[at]))
            at++;
        buf_append(out, line + start, at - start);
        if (at < size)
            buf_char(out, ' ');
        while (at < size && is_blank(line[at]))
            at++;
    }
}

bool dkim_canonical_body(struct buf *out, const char *body, size_t size, enum dkim_form form)
{
    size_t empty_lines = 0;
    bool relaxed = form == DKIM_RELAXED, any = false;
    for (const char *line = body, *end = body + size, *next; line < end; line = next) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));
        next = line_end == NULL ? end : line_end + 1;
        size_t length = (size_t)((line_end == NULL ? end : line_end) - line);
        if (line_end != NULL && length > 0 && line[length - 1] == '\r')
            length--;
        while (relaxed && length > 0 && is_blank(line[length - 1]))
            length--;
        if (length == 0) {
            empty_lines++;
            continue;
        }
        for (; empty_lines > 0; empty_lines--)
            buf_text(out, "\r\n");
        if (relaxed)
            write_relaxed_line(out, line, length);
        else
            buf_append(out, line, length);
        buf_text(out, "\r\n");
        any = true;
    }
    if (!any && !relaxed)
        buf_text(out, "\r\n");
    return !out->overflowed;
}

/* The next name of an h= value; *names advances behind it. NULL at the end. */
static const char *next_name(const char **names, size_t *size)
{
    const char *name = *names + strspn(*names, " \t\r\n:");
    if (*name == '\0')
        return NULL;
    size_t length = strcspn(name, ":");
    *names = name + length;
    while (length > 0 && strchr(blanks, name[length - 1]) != NULL)
        length--;
    *size = length;
    return name;
}

static size_t count_before(const char *names, const char *before, const char *name, size_t name_size)
{
    size_t count = 0, size;
    const char *at;
    while ((at = next_name(&names, &size)) != NULL && at < before)
        count += size == name_size && strncasecmp(at, name, size) == 0;
    return count;
}

bool dkim_signed_data(struct buf *out, const char *mail, size_t size, const char *names,
                      const char *signature, enum dkim_form form)
{
    const char *name, *rest = names, *field = NULL;
    size_t name_size, length = 0;
    while ((name = next_name(&rest, &name_size)) != NULL) {
        size_t used = count_before(names, name, name, name_size);
        size_t count = fields_find(mail, size, name, name_size, 0, &field, &length);
        if (used >= count)
            continue;
        fields_find(mail, size, name, name_size, count - used - 1, &field, &length);
        dkim_canonical_field(out, field, length, form);
    }
    write_field(out, signature, strlen(signature), form);
    return !out->overflowed;
}

/* What is signed, if it occurs (RFC 6376, 5.4.1; RFC 8058, 4), and how often beyond that. Fields that relays
 * add or take away are not in here. */
static const struct {
    const char *name;
    size_t extra;
} signed_fields[] = {
    {"From", 1},
    {"To", 1},
    {"Cc", 0},
    {"Subject", 1},
    {"Date", 0},
    {"Message-ID", 0},
    {"Reply-To", 0},
    {"In-Reply-To", 0},
    {"References", 0},
    {"MIME-Version", 0},
    {"Content-Type", 0},
    {"Content-Transfer-Encoding", 0},
    {"List-Id", 0},
    {"List-Help", 0},
    {"List-Subscribe", 0},
    {"List-Post", 0},
    {"List-Owner", 0},
    {"List-Archive", 0},
    {"List-Unsubscribe", 0},
    {"List-Unsubscribe-Post", 0},
    {"Feedback-ID", 0},
};

/* The value of h=, folded as it stands behind " h=". */
static void write_names(struct buf *out, const char *mail, size_t size)
{
    const char *field;
    size_t length;
    for (size_t i = 0; i < sizeof signed_fields / sizeof signed_fields[0]; i++) {
        const char *name = signed_fields[i].name;
        size_t count = fields_find(mail, size, name, strlen(name), 0, &field, &length);
        for (count += signed_fields[i].extra; count > 0; count--) {
            if (out->size > 0)
                buf_char(out, ':');
            if (mime_column(out) + strlen(name) + 4 > MIME_LINE)
                buf_text(out, "\r\n ");
            buf_text(out, name);
        }
    }
}

static void write_folded(struct buf *out, const char *text, size_t size)
{
    while (size > 0) {
        size_t column = mime_column(out);
        size_t part = column < MIME_LINE ? MIME_LINE - column : 0;
        if (part > size)
            part = size;
        buf_append(out, text, part);
        text += part;
        size -= part;
        if (size > 0)
            buf_text(out, "\r\n ");
    }
}

static void body_hash(struct buf *out, const char *mail, size_t size, enum dkim_form form)
{
    const char *gap = memmem(mail, size, "\r\n\r\n", 4);
    const char *body = gap == NULL ? mail + size : gap + 4;
    unsigned char digest[SHA256_SIZE];
    struct buf canonical;
    buf_init(&canonical, size + 2);
    dkim_canonical_body(&canonical, body, size - (size_t)(body - mail), form);
    digest_sha256(buf_string(&canonical), canonical.size, digest);
    buf_free(&canonical);
    base64_append(out, digest, sizeof digest);
}

static bool write_signature(struct buf *out, const char *mail, size_t size, enum dkim_form form,
                            const struct dkim_signer *signer, const char *names, const char *hash,
                            int64_t now_ms)
{
    enum { FIELD_MAX = 8192, SIGNATURE_MAX = 1024 };
    static const char *const forms[] = {"simple/simple", "relaxed/relaxed"};
    struct buf field, data, raw, encoded;
    buf_init(&field, FIELD_MAX);
    buf_init(&data, size + FIELD_MAX);
    buf_init(&raw, SIGNATURE_MAX);
    buf_init(&encoded, SIGNATURE_MAX);
    bool ok = buf_printf(&field,
                         "DKIM-Signature: v=1; a=%s; c=%s;\r\n d=%s;\r\n s=%s;\r\n t=%lld;\r\n h=%s;\r\n"
                         " bh=%s;\r\n b=",
                         dkim_key_algorithm(signer->key), forms[form], signer->domain, signer->selector,
                         (long long)(now_ms / 1000), names, hash) &&
              dkim_signed_data(&data, mail, size, names, buf_string(&field), form) &&
              dkim_key_sign(signer->key, data.data, data.size, &raw) &&
              base64_append(&encoded, raw.data, raw.size);
    if (ok) {
        write_folded(&field, encoded.data, encoded.size);
        ok = buf_text(&field, "\r\n") && buf_append(out, field.data, field.size);
    }
    buf_free(&field);
    buf_free(&data);
    buf_free(&raw);
    buf_free(&encoded);
    return ok;
}

bool dkim_add_signatures(struct buf *out, const char *mail, size_t size, enum dkim_form form,
                         const struct dkim_signer *signers, size_t count, int64_t now_ms)
{
    if (count == 0)
        return buf_append(out, mail, size);
    struct buf names, hash;
    buf_init(&names, 4096);
    buf_init(&hash, 64);
    write_names(&names, mail, size);
    body_hash(&hash, mail, size, form);
    bool ok = !names.overflowed;
    for (size_t i = 0; i < count && ok; i++)
        ok = write_signature(out, mail, size, form, &signers[i], buf_string(&names), buf_string(&hash),
                             now_ms);
    buf_free(&names);
    buf_free(&hash);
    return ok && buf_append(out, mail, size);
}
