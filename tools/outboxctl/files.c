#include "outboxctl/files.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "crypto/hex.h"

static bool is_again(const char *file)
{
    return file[0] == 'R';
}

/* The number with its R, then a name of lower-case letters, digits and underscores. */
static bool name_is_good(const char *file)
{
    size_t size = strlen(file), suffix = strlen(".sql");
    size_t letter = is_again(file) ? 1 : 0, number = is_again(file) ? 3 : 4;
    return letter + strspn(file + letter, "0123456789") == number && file[number] == '_' &&
           size > number + 1 + suffix && strcmp(file + size - suffix, ".sql") == 0 &&
           letter + strspn(file + letter, "abcdefghijklmnopqrstuvwxyz0123456789_") == size - suffix;
}

static bool read_text(struct buf *text, const char *path, struct error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(err, "%s: %s", path, strerror(errno));
    char part[8192];
    size_t size = 0;
    bool fits = true;
    while (fits && (size = fread(part, 1, sizeof part, file)) > 0)
        fits = buf_append(text, part, size);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return error_set(err, "%s: cannot be read", path);
    if (!fits)
        return error_set(err, "%s: longer than %d octets", path, MIGRATION_MAX_OCTETS);
    if (text->size == 0)
        return error_set(err, "%s: empty", path);
    if (memchr(text->data, '\0', text->size) != NULL)
        return error_set(err, "%s: holds a zero octet", path);
    return true;
}

static bool checksum_make(char checksum[65], const struct buf *text, struct error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_Digest(text->data, text->size, digest, &size, EVP_sha256(), NULL) != 1)
        return error_set(err, "SHA-256 is not available");
    hex_encode(digest, size, checksum);
    return true;
}

static bool migration_read(struct migration *migration, const char *dir, const char *file, struct error *err)
{
    if (!name_is_good(file))
        return error_set(err, "%s/%s: a migration is named NNNN_name.sql or RNN_name.sql (lower case)", dir,
                         file);
    struct arena *arena = arena_new();
    struct buf text;
    buf_init(&text, MIGRATION_MAX_OCTETS);
    bool ok = read_text(&text, arena_printf(arena, "%s/%s", dir, file), err) &&
              checksum_make(migration->checksum, &text, err);
    if (ok) {
        migration->file = mem_strdup(file);
        migration->name = mem_strdup(file);
        migration->name[strlen(file) - strlen(".sql")] = '\0';
        migration->sql = mem_strdup(buf_string(&text));
    }
    buf_free(&text);
    arena_free(arena);
    return ok;
}

static bool read_all(struct migration_files *files, DIR *folder, const char *dir, struct error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            return errno == 0 || error_set(err, "%s: %s", dir, strerror(errno));
        if (entry->d_name[0] == '.')
            continue;
        files->list = mem_grow(files->list, files->count + 1, sizeof *files->list);
        files->list[files->count] = (struct migration){0};
        if (!migration_read(&files->list[files->count++], dir, entry->d_name, err))
            return false;
    }
}

static int by_name(const void *left, const void *right)
{
    const struct migration *a = left, *b = right;
    return strcmp(a->file, b->file);
}

static bool check_order(const struct migration_files *files, const char *dir, struct error *err)
{
    for (size_t i = 1; i < files->count; i++) {
        const struct migration *before = &files->list[i - 1], *migration = &files->list[i];
        if (strncmp(before->file, migration->file, strcspn(migration->file, "_") + 1) == 0)
            return error_set(err, "%s: %s and %s have the same number", dir, before->file, migration->file);
    }
    return files->count > 0 || error_set(err, "%s: no migrations there", dir);
}

bool files_read(struct migration_files *files, const char *dir, struct error *err)
{
    *files = (struct migration_files){0};
    DIR *folder = opendir(dir);
    if (folder == NULL)
        return error_set(err, "%s: %s", dir, strerror(errno));
    bool ok = read_all(files, folder, dir, err);
    closedir(folder);
    if (ok && files->count > 0)
        qsort(files->list, files->count, sizeof *files->list, by_name);
    if (ok)
        ok = check_order(files, dir, err);
    while (ok && files->once < files->count && !is_again(files->list[files->once].file))
        files->once++;
    if (!ok)
        files_free(files);
    return ok;
}

void files_free(struct migration_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        mem_free(files->list[i].file);
        mem_free(files->list[i].name);
        mem_free(files->list[i].sql);
    }
    mem_free(files->list);
    *files = (struct migration_files){0};
}
