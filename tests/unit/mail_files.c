#include "support/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dispatcher/mail_files.h"
#include "providers/mail/mail_attachment.h"
#include "support/scratch.h"

/* outside/secret and files/{a,empty,sub/b,zero,half,more,pipe,in,up,out,out_dir}. */
static char parent[SCRATCH_PATH];
static char files[SCRATCH_PATH + 16];

static void go(const char *folder)
{
    ck_assert_int_eq(chdir(folder), 0);
}

static void write_file(const char *name, const char *octets, size_t size)
{
    FILE *file = fopen(name, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(octets, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_sparse(const char *name, off_t size)
{
    write_file(name, "", 0);
    ck_assert_int_eq(truncate(name, size), 0);
}

static void setup(void)
{
    scratch_template(parent, "attach");
    ck_assert_ptr_nonnull(mkdtemp(parent));
    snprintf(files, sizeof files, "%s/files", parent);
    go(parent);
    ck_assert(mkdir("outside", 0700) == 0 && mkdir("files", 0700) == 0 && mkdir("files/sub", 0700) == 0);
    write_file("outside/secret", "secret", 6);
    go(files);
    write_file("a", "a\0\xff z", 5);
    write_file("empty", "", 0);
    write_file("sub/b", "bee", 3);
    write_sparse("most", MAIL_ATTACHED_MAX);
    write_sparse("half", MAIL_ATTACHED_MAX / 2);
    write_sparse("more", MAIL_ATTACHED_MAX + 1);
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    ck_assert(symlink("sub/b", "in") == 0 && symlink("../a", "sub/up") == 0);
    ck_assert(symlink("../outside/secret", "out") == 0 && symlink("../outside", "out_dir") == 0);
    char secret[SCRATCH_PATH + 32], own[SCRATCH_PATH + 32];
    snprintf(secret, sizeof secret, "%s/outside/secret", parent);
    snprintf(own, sizeof own, "%s/a", files);
    ck_assert(symlink(secret, "out_absolute") == 0 && symlink(own, "in_absolute") == 0);
    ck_assert(symlink("loop", "loop") == 0 && symlink("/proc/self/fd/0", "magic") == 0);
}

static void teardown(void)
{
    static const char *const names[] = {"a",       "empty",        "sub/b",       "sub/up", "most",
                                        "half",    "more",         "pipe",        "in",     "out",
                                        "out_dir", "out_absolute", "in_absolute", "loop",   "magic"};
    go(files);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_int_eq(unlink(names[i]), 0);
    go(parent);
    ck_assert(unlink("outside/secret") == 0 && rmdir("outside") == 0);
    ck_assert(rmdir("files/sub") == 0 && rmdir("files") == 0);
    go("/");
    ck_assert_int_eq(rmdir(parent), 0);
}

static struct json_object *parse(const char *text)
{
    struct error err;
    struct json_object *value = json_parse(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s: %s", text, err.text);
    return value;
}

static struct json_object *item_of(struct json_object *payload, size_t index)
{
    return json_object_array_get_idx(json_get(payload, "attachments"), index);
}

static struct json_object *one_file(const char *file)
{
    struct json_object *payload = parse("{\"attachments\":[{\"name\":\"x\"}]}");
    json_object_object_add(item_of(payload, 0), "file", json_object_new_string(file));
    return payload;
}

START_TEST(test_good)
{
    static const struct {
        const char *file, *data;
        size_t size;
    } rows[] = {
        {"a", "a\0\xff z", 5},      {"./a", "a\0\xff z", 5}, {"sub/../a", "a\0\xff z", 5},
        {"sub/up", "a\0\xff z", 5}, {"empty", "", 0},        {"sub/b", "bee", 3},
        {"sub//b", "bee", 3},       {"in", "bee", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err = {""};
        struct json_object *payload = one_file(rows[i].file);
        ck_assert_msg(mail_files_read(files, payload, &err), "%s: %s", rows[i].file, err.text);
        struct json_object *data = json_get(item_of(payload, 0), "data");
        ck_assert_msg(json_object_is_type(data, json_type_string), "%s", rows[i].file);
        ck_assert_int_eq(json_object_get_string_len(data), (int)rows[i].size);
        ck_assert_mem_eq(json_object_get_string(data), rows[i].data, rows[i].size);
        json_object_put(payload);
    }
}
END_TEST

/* What is read is what the adapter takes. */
START_TEST(test_adapter)
{
    struct error err;
    struct mail_attachment list[MAIL_ATTACHMENTS_MAX];
    size_t count;
    struct json_object *payload =
        parse("{\"attachments\":[{\"name\":\"x.bin\",\"file\":\"a\",\"data\":\"forged\"},"
              "{\"name\":\"y\",\"file\":\"sub/b\"}]}");
    ck_assert_msg(mail_files_read(files, payload, &err), "%s", err.text);
    ck_assert_msg(mail_attachments_read(payload, list, &count, &err), "%s", err.text);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(list[0].size, 5);
    ck_assert_mem_eq(list[0].data, "a\0\xff z", 5);
    ck_assert_str_eq(list[1].data, "bee");
    json_object_put(payload);
}
END_TEST

START_TEST(test_bad)
{
    static const char outside[] = "must lie below the attachment directory";
    static const char irregular[] = "must be a regular file";
    static const struct {
        const char *file, *rule;
    } rows[] = {
        {"../outside/secret", outside},
        {"sub/../../outside/secret", outside},
        {"..", outside},
        {"/etc/passwd", outside},
        {"out", outside},
        {"out_dir/secret", outside},
        {"out_absolute", outside},
        {"in_absolute", outside}, /* an absolute link leaves before it comes back */
        {"magic", outside},
        {"pipe", irregular},
        {"sub", irregular},
        {".", irregular},
        {"more", "all files together have more than 10485760 octets"},
        {"nothing", "No such file or directory"},
        {"", "No such file or directory"},
        {"a/b", "Not a directory"},
        {"loop", "Too many levels of symbolic links"},
    };
    char own[SCRATCH_PATH + 32], expected[128];
    for (size_t i = 0; i <= sizeof rows / sizeof rows[0]; i++) {
        bool last = i == sizeof rows / sizeof rows[0];
        snprintf(own, sizeof own, "%s/a", files);
        const char *file = last ? own : rows[i].file, *rule = last ? outside : rows[i].rule;
        struct error err;
        struct json_object *payload = one_file(file);
        ck_assert_msg(!mail_files_read(files, payload, &err), "%s", file);
        snprintf(expected, sizeof expected, "payload.attachments.0.file: %s", rule);
        ck_assert_str_eq(err.text, expected);
        ck_assert_msg(json_get(item_of(payload, 0), "data") == NULL, "%s", file);
        json_object_put(payload);
    }
}
END_TEST

START_TEST(test_together)
{
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {"{\"attachments\":[{\"file\":\"most\"}]}", NULL},
        {"{\"attachments\":[{\"file\":\"half\"},{\"file\":\"half\"},{\"file\":\"empty\"}]}", NULL},
        {"{\"attachments\":[{\"file\":\"half\"},{\"file\":\"half\"},{\"file\":\"a\"}]}",
         "payload.attachments.2.file: all files together have more than 10485760 octets"},
        {"{\"attachments\":[{\"file\":\"a\"},{\"file\":\"most\"}]}",
         "payload.attachments.1.file: all files together have more than 10485760 octets"},
        {"{\"attachments\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,{\"file\":\"a\"}]}", NULL},
        {"{\"attachments\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,{\"file\":\"a\"}]}",
         "payload.attachments: has more than 20 files"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err = {""};
        struct json_object *payload = parse(rows[i].text);
        ck_assert_msg(mail_files_read(files, payload, &err) == (rows[i].fault == NULL), "row %zu: %s", i,
                      err.text);
        if (rows[i].fault != NULL)
            ck_assert_str_eq(err.text, rows[i].fault);
        json_object_put(payload);
    }
}
END_TEST

/* Only this program gives data, with a directory or without. */
START_TEST(test_forged)
{
    static const char before[] =
        "{\"attachments\":[{\"name\":\"x\",\"data\":\"forged\"},{\"file\":7,\"data\":{\"a\":1}},"
        "{\"file\":\"a\\u0000b\",\"data\":\"forged\"},\"text\",null,{\"data\":null}],\"data\":\"other\"}";
    static const char after[] = "{\"attachments\":[{\"name\":\"x\"},{\"file\":7},{\"file\":\"a\\u0000b\"},"
                                "\"text\",null,{}],\"data\":\"other\"}";
    const char *const directories[] = {NULL, files};
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        struct json_object *payload = parse(before);
        ck_assert(mail_files_read(directories[i], payload, &err));
        ck_assert_str_eq(json_object_to_json_string_ext(payload, JSON_C_TO_STRING_PLAIN), after);
        json_object_put(payload);
    }
    struct error err;
    struct json_object *payload = one_file("a");
    json_object_object_add(item_of(payload, 0), "data", json_object_new_string("forged"));
    ck_assert(mail_files_read(NULL, payload, &err)); /* nothing is read either */
    ck_assert_ptr_null(json_get(item_of(payload, 0), "data"));
    json_object_put(payload);
}
END_TEST

START_TEST(test_nothing_to_do)
{
    static const char *const rows[] = {"{}",
                                       "[]",
                                       "7",
                                       "{\"attachments\":[]}",
                                       "{\"attachments\":{\"data\":1}}",
                                       "{\"attachments\":\"a\"}",
                                       "{\"attachments\":null}"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err;
        struct json_object *payload = parse(rows[i]);
        ck_assert_msg(mail_files_read("/nowhere", payload, &err), "%s", rows[i]);
        ck_assert_str_eq(json_object_to_json_string_ext(payload, JSON_C_TO_STRING_PLAIN), rows[i]);
        json_object_put(payload);
    }
    struct error err;
    ck_assert(mail_files_read(files, NULL, &err));
}
END_TEST

START_TEST(test_no_directory)
{
    struct error err;
    struct json_object *payload = one_file("a");
    ck_assert(!mail_files_read("/nowhere", payload, &err));
    ck_assert_str_eq(err.text, "payload.attachments: the attachment directory: No such file or directory");
    json_object_put(payload);
}
END_TEST

/* Neither the directory nor a file stays open. */
START_TEST(test_descriptors)
{
    static const char *const names[] = {"a", "pipe", "more", "nothing"};
    int before = dup(0);
    ck_assert_int_ge(before, 0);
    close(before);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct error err;
        struct json_object *payload = one_file(names[i]);
        ck_assert_int_eq(mail_files_read(files, payload, &err), i == 0);
        json_object_put(payload);
        int after = dup(0);
        ck_assert_msg(after == before, "%s", names[i]);
        close(after);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mail_files");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, test_good);
    tcase_add_test(all, test_adapter);
    tcase_add_test(all, test_bad);
    tcase_add_test(all, test_together);
    tcase_add_test(all, test_forged);
    tcase_add_test(all, test_nothing_to_do);
    tcase_add_test(all, test_no_directory);
    tcase_add_test(all, test_descriptors);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
