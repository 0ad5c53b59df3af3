#include "support/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"

/* What the last call wrote to standard error. */
static char written[8192];
static int saved_stderr, capture;

static void setup(void)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    capture = fileno(file);
    saved_stderr = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(capture, STDERR_FILENO), 0);
    log_setup("tester", LOG_INFO);
}

static void teardown(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

static const char *take_line(void)
{
    ssize_t size = pread(capture, written, sizeof written - 1, 0);
    ck_assert_int_ge(size, 0);
    written[size] = '\0';
    ck_assert_int_eq(ftruncate(capture, 0), 0);
    ck_assert_int_eq(lseek(capture, 0, SEEK_SET), 0);
    return written;
}

START_TEST(test_shape)
{
    errno = EAGAIN;
    log_event(LOG_WARN, "claimed", log_text("channel", "ios"), log_int("rows", -500));
    ck_assert_int_eq(errno, EAGAIN);
    const char *line = take_line();
    static const char stamp[] = "0000-00-00T00:00:00.000Z";
    for (size_t i = 0; stamp[i] != '\0'; i++)
        ck_assert_msg(stamp[i] == '0' ? line[i] >= '0' && line[i] <= '9' : line[i] == stamp[i], "%s", line);
    ck_assert_str_eq(line + strlen(stamp), " warn tester event=claimed channel=ios rows=-500\n");
    log_write(LOG_ERROR, "bare", NULL);
    ck_assert_ptr_nonnull(strstr(take_line(), "Z error tester event=bare\n"));
}
END_TEST

START_TEST(test_values)
{
    static const struct {
        const char *value, *shown;
    } rows[] = {
        {"plain-1.2:/é", "k=plain-1.2:/é"},
        {"", "k=\"\""},
        {NULL, "k=\"\""},
        {"two words", "k=\"two words\""},
        {"a=b", "k=\"a=b\""},
        {"say \"x\"", "k=\"say \\\"x\\\"\""},
        {"a\nb", "k=\"a\\nb\""},
        {"\x01\x7f", "k=\"\\x01\\x7f\""},
        {"a\\b", "k=\"a\\\\b\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        log_event(LOG_INFO, "e", log_text("k", rows[i].value));
        const char *line = take_line();
        const char *at = strstr(line, " k=");
        ck_assert_ptr_nonnull(at);
        ck_assert_uint_eq(strcspn(at, "\n"), strlen(at) - 1);
        ck_assert_msg(strncmp(at + 1, rows[i].shown, strlen(rows[i].shown)) == 0 &&
                          at[1 + strlen(rows[i].shown)] == '\n',
                      "row %zu: %s", i, at);
    }
}
END_TEST

START_TEST(test_levels)
{
    log_event(LOG_DEBUG, "quiet", log_int("n", 1));
    ck_assert_str_eq(take_line(), "");
    log_setup("tester", LOG_DEBUG);
    log_event(LOG_DEBUG, "loud", log_int("n", 1));
    ck_assert_ptr_nonnull(strstr(take_line(), " debug tester event=loud n=1\n"));
    enum log_level level = LOG_ERROR;
    ck_assert(log_level_parse("warn", &level) && level == LOG_WARN);
    ck_assert(log_level_parse("debug", &level) && level == LOG_DEBUG);
    ck_assert(!log_level_parse("WARN", &level) && level == LOG_DEBUG);
    ck_assert(!log_level_parse("", &level));
}
END_TEST

/* However long the values are, a line stays one line and ends with a newline. */
START_TEST(test_long_line)
{
    char large[6000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    log_event(LOG_INFO, "e", log_text("k", large), log_text("later", "value"));
    const char *line = take_line();
    ck_assert_uint_le(strlen(line), 4096);
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(test_error)
{
    struct error err;
    ck_assert(!error_set(&err, "line %d\n\tnext\n", 1));
    ck_assert_str_eq(err.text, "line 1 next");
    ck_assert(!error_prefix(&err, "file %s", "x"));
    ck_assert_str_eq(err.text, "file x: line 1 next");
    ck_assert(!error_set(&err, "again: %s", err.text));
    ck_assert_str_eq(err.text, "again: file x: line 1 next");
    ck_assert(!error_set(NULL, "nobody"));
    ck_assert(!error_prefix(NULL, "nobody"));
    for (int i = 0; i < 100; i++)
        error_prefix(&err, "0123456789");
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *lines = tcase_create("lines");
    tcase_add_checked_fixture(lines, setup, teardown);
    tcase_add_test(lines, test_shape);
    tcase_add_test(lines, test_values);
    tcase_add_test(lines, test_levels);
    tcase_add_test(lines, test_long_line);
    suite_add_tcase(suite, lines);
    suite_add(suite, test_error);
    return suite_run(suite);
}
