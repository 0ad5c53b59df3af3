#include "support/scratch.h"
#include "support/suite.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/secret.h"

static struct json_object *settings_of(const char *key, const char *value)
{
    struct json_object *settings = json_object_new_object();
    json_object_object_add(settings, key, json_object_new_string(value));
    return settings;
}

/* The secret read from a file with this content; NULL fills err. */
static char *read_content(const char *content, size_t size, struct error *err)
{
    char path[SCRATCH_PATH];
    scratch_template(path, "secret");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, size), (ssize_t)size);
    close(fd);
    struct json_object *settings = settings_of("key_file", path);
    char *secret = secret_read(settings, "key", err);
    json_object_put(settings);
    unlink(path);
    return secret;
}

START_TEST(test_file)
{
    static const struct {
        const char *content, *secret;
    } rows[] = {{"hunter2", "hunter2"},
                {"hunter2\n", "hunter2"},
                {"hunter2\r\n", "hunter2"},
                {"a\nb\n\n", "a\nb\n"},
                {" x ", " x "}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err;
        char *secret = read_content(rows[i].content, strlen(rows[i].content), &err);
        ck_assert_msg(secret != NULL, "row %zu: %s", i, err.text);
        ck_assert_str_eq(secret, rows[i].secret);
        secret_free(secret);
    }
    secret_free(NULL);
}
END_TEST

START_TEST(test_file_refused)
{
    struct error err;
    ck_assert_ptr_null(read_content("", 0, &err));
    ck_assert_str_eq(err.text, "key_file: is empty");
    ck_assert_ptr_null(read_content("\n", 1, &err));
    ck_assert_ptr_null(read_content("topsecret\0x", 11, &err));
    ck_assert_ptr_null(strstr(err.text, "topsecret"));

    char *large = mem_alloc(SECRET_MAX + 1);
    memset(large, 'x', SECRET_MAX + 1);
    char *secret = read_content(large, SECRET_MAX, &err);
    ck_assert_ptr_nonnull(secret);
    ck_assert_uint_eq(strlen(secret), SECRET_MAX);
    secret_free(secret);
    ck_assert_ptr_null(read_content(large, SECRET_MAX + 1, &err));
    mem_free(large);

    struct json_object *settings = settings_of("key_file", "/nonexistent/key");
    ck_assert_ptr_null(secret_read(settings, "key", &err));
    ck_assert_str_eq(err.text, "key_file: cannot open /nonexistent/key: No such file or directory");
    json_object_put(settings);
    settings = settings_of("key_file", "/");
    ck_assert_ptr_null(secret_read(settings, "key", &err));
    ck_assert_str_eq(err.text, "key_file: cannot read /: Is a directory");
    json_object_put(settings);
}
END_TEST

START_TEST(test_env)
{
    struct error err;
    struct json_object *settings = settings_of("key_env", "PGOUTBOX_TEST_SECRET");
    unsetenv("PGOUTBOX_TEST_SECRET");
    ck_assert_ptr_null(secret_read(settings, "key", &err));
    ck_assert_str_eq(err.text, "key_env: environment variable PGOUTBOX_TEST_SECRET is not set");
    setenv("PGOUTBOX_TEST_SECRET", "value\n", 1);
    char *secret = secret_read(settings, "key", &err);
    ck_assert_str_eq(secret, "value");
    secret_free(secret);
    setenv("PGOUTBOX_TEST_SECRET", "", 1);
    ck_assert_ptr_null(secret_read(settings, "key", &err));
    json_object_put(settings);
}
END_TEST

START_TEST(test_settings)
{
    struct error err;
    struct json_object *settings = settings_of("other_file", "/dev/null");
    ck_assert_ptr_null(secret_read(settings, "key", &err));
    ck_assert_str_eq(err.text, "key_file or key_env is missing");
    ck_assert_ptr_null(secret_read(NULL, "key", &err));
    json_object_object_add(settings, "key_file", json_object_new_string("/dev/null"));
    json_object_object_add(settings, "key_env", json_object_new_string("HOME"));
    ck_assert_ptr_null(secret_read(settings, "key", &err));
    ck_assert_str_eq(err.text, "key_file and key_env are both set");
    json_object_put(settings);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secret");
    suite_add(suite, test_file);
    suite_add(suite, test_file_refused);
    suite_add(suite, test_env);
    suite_add(suite, test_settings);
    return suite_run(suite);
}
