#include "support/suite.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
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

/* What a mail's adapter makes of a payload: what it asked for, read. */
struct mail_read {
    struct loop *loop;
    struct json_object *payload;
    struct mail_files *files; /* NULL: it asked for none */
    struct mail_attachment list[MAIL_ATTACHMENTS_MAX];
    size_t count;
    struct error err;
    bool ok;
};

static void on_read(void *arg)
{
    loop_stop(arg);
}

static void read_from(struct mail_read *read, const char *directory, struct json_object *payload)
{
    struct file_list wanted = {0};
    const struct files *result = NULL;
    *read = (struct mail_read){.loop = loop_new(), .payload = payload};
    mail_attachments_files(payload, directory, &wanted);
    if (wanted.count > 0) {
        read->files = mail_files_read(read->loop, &wanted, on_read, read->loop);
        loop_run(read->loop);
        result = mail_files_result(read->files);
    }
    read->ok = mail_attachments_read(payload, result, read->list, &read->count, &read->err);
}

static void read_free(struct mail_read *read)
{
    mail_files_free(read->files);
    loop_free(read->loop);
    json_object_put(read->payload);
}

static struct json_object *parse(const char *text)
{
    struct error err;
    struct json_object *value = json_parse(text, strlen(text), &err);
    ck_assert_msg(value != NULL, "%s: %s", text, err.text);
    return value;
}

static struct json_object *one_file(const char *file)
{
    struct json_object *payload = parse("{\"attachments\":[{\"name\":\"x\"}]}");
    json_object_object_add(json_list_item(json_get(payload, "attachments"), 0), "file",
                           json_object_new_string(file));
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
        struct mail_read read;
        read_from(&read, files, one_file(rows[i].file));
        ck_assert_msg(read.ok && read.count == 1, "%s: %s", rows[i].file, read.err.text);
        ck_assert_uint_eq(read.list[0].size, rows[i].size);
        ck_assert_mem_eq(read.list[0].data, rows[i].data, rows[i].size);
        read_free(&read);
    }
}
END_TEST

/* Only what was read counts: a payload may say of itself what it likes. */
START_TEST(test_forged)
{
    static const char payload[] = "{\"attachments\":[{\"name\":\"x.bin\",\"file\":\"a\",\"data\":\"forged\"},"
                                  "{\"name\":\"y\",\"file\":\"sub/b\"}]}";
    struct mail_read read;
    read_from(&read, files, parse(payload));
    ck_assert_msg(read.ok, "%s", read.err.text);
    ck_assert_uint_eq(read.count, 2);
    ck_assert_uint_eq(read.list[0].size, 5);
    ck_assert_mem_eq(read.list[0].data, "a\0\xff z", 5);
    ck_assert_str_eq(read.list[1].data, "bee");
    read_free(&read);
    read_from(&read, NULL, parse(payload));
    ck_assert(!read.ok && read.files == NULL);
    ck_assert_str_eq(read.err.text, "payload.attachments.0.file: was not read");
    read_free(&read);
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
        struct mail_read read;
        read_from(&read, files, one_file(file));
        ck_assert_msg(!read.ok, "%s", file);
        snprintf(expected, sizeof expected, "payload.attachments.0.file: %s", rule);
        ck_assert_str_eq(read.err.text, expected);
        ck_assert_ptr_null(mail_files_result(read.files)->list[0].data);
        read_free(&read);
    }
}
END_TEST

#define NAMED(file) "{\"name\":\"x\",\"file\":\"" file "\"}"

START_TEST(test_together)
{
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {"{\"attachments\":[" NAMED("most") "]}", NULL},
        {"{\"attachments\":[" NAMED("half") "," NAMED("half") "," NAMED("empty") "]}", NULL},
        {"{\"attachments\":[" NAMED("half") "," NAMED("half") "," NAMED("a") "]}",
         "payload.attachments.2.file: all files together have more than 10485760 octets"},
        {"{\"attachments\":[" NAMED("a") "," NAMED("most") "]}",
         "payload.attachments.1.file: all files together have more than 10485760 octets"},
        {"{\"attachments\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,{\"file\":\"a\"}]}",
         "payload.attachments: has more than 20 files"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mail_read read;
        read_from(&read, files, parse(rows[i].text));
        ck_assert_msg(read.ok == (rows[i].fault == NULL), "row %zu: %s", i, read.err.text);
        if (rows[i].fault != NULL)
            ck_assert_str_eq(read.err.text, rows[i].fault);
        read_free(&read);
    }
}
END_TEST

/* Places without a name are left out, and what comes behind a fault is not tried. */
START_TEST(test_places)
{
    static const char *const names[] = {NULL, "a", NULL, "sub/b", "nothing", "a"};
    struct file_list wanted = {.directory = files, .count = 6, .octets_max = 8};
    for (size_t i = 0; i < 6; i++)
        wanted.names[i] = names[i];
    struct loop *loop = loop_new();
    struct mail_files *read = mail_files_read(loop, &wanted, on_read, loop);
    loop_run(loop);
    const struct files *result = mail_files_result(read);
    ck_assert_ptr_null(result->fault);
    for (size_t i = 0; i < 6; i++) {
        ck_assert_msg((result->list[i].data != NULL) == (i == 1 || i == 3), "place %zu", i);
        ck_assert_msg((result->list[i].fault != NULL) == (i == 4), "place %zu", i);
    }
    mail_files_free(read);
    loop_free(loop);
}
END_TEST

START_TEST(test_no_directory)
{
    struct mail_read read;
    read_from(&read, "/nowhere", one_file("a"));
    ck_assert(!read.ok);
    ck_assert_str_eq(read.err.text,
                     "payload.attachments: the attachment directory: No such file or directory");
    read_free(&read);
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
        struct mail_read read;
        read_from(&read, files, one_file(names[i]));
        ck_assert_int_eq(read.ok, i == 0);
        read_free(&read);
        int after = dup(0);
        ck_assert_msg(after == before, "%s", names[i]);
        close(after);
    }
}
END_TEST

START_TEST(test_abandoned)
{
    struct file_list wanted = {.directory = files, .names = {"most"}, .count = 1, .octets_max = 1 << 30};
    struct loop *loop = loop_new();
    mail_files_free(mail_files_read(loop, &wanted, on_read, loop));
    mail_files_free(NULL);
    loop_free(loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mail_files");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, test_good);
    tcase_add_test(all, test_forged);
    tcase_add_test(all, test_bad);
    tcase_add_test(all, test_together);
    tcase_add_test(all, test_places);
    tcase_add_test(all, test_no_directory);
    tcase_add_test(all, test_descriptors);
    tcase_add_test(all, test_abandoned);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
