#include "sandbox/vendors/mail.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LINE_MAX_OCTETS = 998 };

/* Fields that occur at most once; the required ones exactly once. */
static const struct {
    const char *name;
    bool required;
} single_fields[] = {{"From", true},
                     {"Date", true},
                     {"To", true},
                     {"Subject", true},
                     {"Message-ID", true},
                     {"MIME-Version", true},
                     {"Sender", false},
                     {"Reply-To", false},
                     {"Cc", false},
                     {"Bcc", false},
                     {"In-Reply-To", false},
                     {"References", false},
                     {"Content-Type", false},
                     {"Content-Transfer-Encoding", false},
                     {"List-Unsubscribe", false},
                     {"List-Unsubscribe-Post", false}};

enum { SINGLE_FIELDS = sizeof(single_fields) / sizeof(*single_fields) };

static const char *check_lines(const char *mail, size_t size)
{
    const char *line = mail, *end = mail + size;
    if (size == 0)
        return "the mail is empty";
    while (line < end) {
        const char *lf = memchr(line, '\n', (size_t)(end - line));
        if (!lf || lf == line || lf[-1] != '\r')
            return "a line does not end with CRLF";
        size_t length = (size_t)(lf - 1 - line);
        if (memchr(line, '\r', length))
            return "a bare CR";
        if (memchr(line, '\0', length))
            return "a NUL octet";
        if (length > LINE_MAX_OCTETS)
            return "a line is longer than 998 octets";
        line = lf + 1;
    }
    return NULL;
}

static bool is_field_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    return size > 0;
}

/* Copies a value without its folding and outer white space; a long one is cut. */
static void copy_value(char out[MAIL_FIELD_MAX], const char *value, size_t size)
{
    size_t used = 0;
    while (size > 0 && isspace((unsigned char)*value)) {
        value++;
        size--;
    }
    for (size_t i = 0; i < size && used < MAIL_FIELD_MAX - 1; i++)
        if (value[i] != '\r' && value[i] != '\n')
            out[used++] = value[i];
    while (used > 0 && isspace((unsigned char)out[used - 1]))
        used--;
    out[used] = '\0';
}

/* "<id@domain>" becomes "id". */
static const char *shorten_message_id(char *id)
{
    size_t size = strlen(id);
    char *at = strrchr(id, '@');
    if (size < 5 || id[0] != '<' || id[size - 1] != '>' || !at || at == id + 1 || at == id + size - 2)
        return "Message-ID is not <id@domain>";
    *at = '\0';
    memmove(id, id + 1, (size_t)(at - id));
    return NULL;
}

static void note_field(struct mail_facts *facts, const char *name, const char *value, size_t size)
{
    const struct {
        const char *name;
        char *out;
    } wanted[] = {{"From", facts->from},
                  {"To", facts->to},
                  {"Subject", facts->subject},
                  {"Message-ID", facts->message_id},
                  {"Content-Type", facts->content_type},
                  {"Reply-To", facts->reply_to},
                  {"List-Unsubscribe", facts->unsubscribe},
                  {"List-Unsubscribe-Post", facts->one_click}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        if (strcmp(wanted[i].name, name) == 0)
            copy_value(wanted[i].out, value, size);
}

/* The end of the field that starts at line: its continuation lines begin with white space. */
static const char *field_end(const char *line, const char *end)
{
    do {
        line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
    } while (line < end && (*line == ' ' || *line == '\t'));
    return line;
}

const char *mail_inspect(const char *mail, size_t size, struct mail_facts *facts)
{
    int seen[SINGLE_FIELDS] = {0};
    const char *line = mail, *end = mail + size;
    *facts = (struct mail_facts){0};
    const char *fault = check_lines(mail, size);
    if (fault)
        return fault;
    while (line < end && *line != '\r') {
        const char *next = field_end(line, end);
        const char *colon = memchr(line, ':', (size_t)(next - line));
        if (!colon || !is_field_name(line, (size_t)(colon - line)))
            return "a header field has no name";
        for (size_t i = 0; i < SINGLE_FIELDS; i++) {
            const char *name = single_fields[i].name;
            if (strlen(name) != (size_t)(colon - line) || strncasecmp(name, line, strlen(name)) != 0)
                continue;
            if (++seen[i] > 1)
                return "a header field that may occur once occurs again";
            note_field(facts, name, colon + 1, (size_t)(next - colon - 1));
        }
        line = next;
    }
    if (line == end)
        return "no empty line ends the header";
    for (size_t i = 0; i < SINGLE_FIELDS; i++)
        if (single_fields[i].required && seen[i] == 0)
            return "one of From, Date, To, Subject, Message-ID, MIME-Version is missing";
    return shorten_message_id(facts->message_id);
}

void mail_note(const struct mail_facts *facts, struct note *notes)
{
    const struct note all[MAIL_NOTES] = {{"from", facts->from},
                                         {"to", facts->to},
                                         {"subject", facts->subject},
                                         {"reply-to", facts->reply_to},
                                         {"content-type", facts->content_type},
                                         {"list-unsubscribe", facts->unsubscribe},
                                         {"list-unsubscribe-post", facts->one_click}};
    for (size_t i = 0; i < MAIL_NOTES; i++)
        notes[i] = (struct note){all[i].name, *all[i].value ? all[i].value : NULL};
}
