/*
 * Structured log lines to stderr, one per event:
 *     2026-01-31T12:00:00.123Z info dispatcher event=claimed channel=ios rows=500
 * Values with spaces, quotes, control characters or '=' are quoted and escaped, so a line is always one line.
 * Secrets, tokens, addresses and message bodies are never passed to a log function.
 */
#ifndef PGOUTBOX_CORE_LOG_H
#define PGOUTBOX_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* One key and its value. Made by the log_* functions below, read by log_event. */
struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT } type;
    const char *text;
    int64_t number;
};

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_TEXT, .text = text};
}

static inline struct log_field log_int(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_INT, .number = number};
}

/* Name of the program, shown in each line; the level below which nothing is written (default info). */
void log_setup(const char *program, enum log_level least);
bool log_level_parse(const char *text, enum log_level *level);

/* log_event(LOG_INFO, "claimed", log_text("channel", name), log_int("rows", n)): at least one field.
 * Preserves errno. */
#define log_event(level, event, ...) log_write((level), (event), (const struct log_field[]){__VA_ARGS__, {0}})

/* fields: ends with an element whose key is NULL; may be NULL. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#endif
