#include "core/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOG_LINE = 4096 };

/* Set once at start by log_setup, read by every line. */
static struct {
    const char *program;
    enum log_level least;
} log_state = {.program = "-", .least = LOG_INFO};

static const char *const log_level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

enum { LOG_LEVELS = sizeof log_level_names / sizeof *log_level_names };

/* One line under construction. What does not fit is cut; the last octet is kept for the newline. */
struct log_line {
    char text[LOG_LINE];
    size_t size;
};

void log_setup(const char *program, enum log_level least)
{
    log_state.program = program;
    log_state.least = least;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (int i = 0; i < LOG_LEVELS; i++) {
        if (strcmp(text, log_level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void line_add(struct log_line *line, const char *text, size_t size)
{
    size_t room = LOG_LINE - 1 - line->size;
    if (size > room)
        size = room;
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void line_text(struct log_line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

static void line_time(struct log_line *line)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc = {0};
    gmtime_r(&now.tv_sec, &utc);
    char text[64];
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    line_add(line, text, size);
    int tail = snprintf(text, sizeof text, ".%03ldZ", now.tv_nsec / 1000000);
    line_add(line, text, (size_t)tail);
}

static bool octet_is_plain(unsigned char c)
{
    return c > ' ' && c != 0x7f && c != '"' && c != '=' && c != '\\';
}

static void line_octet(struct log_line *line, unsigned char c)
{
    char text[8];
    if (c == '"' || c == '\\') {
        line_add(line, (const char[]){'\\', (char)c}, 2);
    } else if (c == '\n') {
        line_text(line, "\\n");
    } else if (c < ' ' || c == 0x7f) {
        int size = snprintf(text, sizeof text, "\\x%02x", c);
        line_add(line, text, (size_t)size);
    } else {
        line_add(line, (const char *)&c, 1);
    }
}

static void line_value(struct log_line *line, const char *text)
{
    bool plain = text[0] != '\0';
    for (const char *at = text; plain && *at != '\0'; at++)
        plain = octet_is_plain((unsigned char)*at);
    if (plain) {
        line_text(line, text);
        return;
    }
    line_add(line, "\"", 1);
    for (const char *at = text; *at != '\0'; at++)
        line_octet(line, (unsigned char)*at);
    line_add(line, "\"", 1);
}

static void line_field(struct log_line *line, const struct log_field *field)
{
    char number[32];
    line_add(line, " ", 1);
    line_text(line, field->key);
    line_add(line, "=", 1);
    if (field->type == LOG_FIELD_INT) {
        int size = snprintf(number, sizeof number, "%" PRId64, field->number);
        line_add(line, number, (size_t)size);
    } else {
        line_value(line, field->text != NULL ? field->text : "");
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    if (level < log_state.least)
        return;
    int saved = errno;
    struct log_line line;
    line.size = 0;
    line_time(&line);
    line_add(&line, " ", 1);
    line_text(&line, log_level_names[level]);
    line_add(&line, " ", 1);
    line_text(&line, log_state.program);
    line_field(&line, &(struct log_field){.key = "event", .type = LOG_FIELD_TEXT, .text = event});
    for (const struct log_field *field = fields; field != NULL && field->key != NULL; field++)
        line_field(&line, field);
    line.text[line.size++] = '\n';
    /* One write per line, so that lines of several processes do not mix. There is nobody to tell when
     * standard error itself cannot be written. */
    while (write(STDERR_FILENO, line.text, line.size) < 0 && errno == EINTR)
        ;
    errno = saved;
}
