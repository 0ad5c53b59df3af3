#include "providers/mail/mail_attachment.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "crypto/hex.h"
#include "formats/mime_encode.h"
#include "formats/text.h"

enum { TYPE_MAX = 127, NAME_PIECE = 54 };

static const char default_type[] = "application/octet-stream";

static bool name_ok(const char *name, size_t size)
{
    return size > 0 && size <= MAIL_FILE_NAME_MAX && text_is_one_line(name, size) &&
           memchr(name, '/', size) == NULL && memchr(name, '\\', size) == NULL;
}

/* RFC 2045, 5.1; no parameters. */
static bool type_ok(const char *type, size_t size)
{
    const char *slash = memchr(type, '/', size);
    if (size > TYPE_MAX || slash == NULL || slash == type || slash + 1 == type + size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)type[i]) && (type[i] == '\0' || strchr("!#$&^_.+-", type[i]) == NULL) &&
            type + i != slash)
            return false;
    }
    /* These two may not be encoded (RFC 2045, 6.4). */
    return strncasecmp(type, "multipart/", 10) != 0 && strncasecmp(type, "message/", 8) != 0;
}

static bool read_item(struct json_object *item, const char *where, const struct file *read,
                      struct mail_attachment *attachment, struct error *err)
{
    const char *file;
    size_t size;
    if (!json_object_is_type(item, json_type_object))
        return error_set(err, "%s: must be an object", where);
    if (!json_read_text(item, where, "name", &attachment->name, &size, err))
        return false;
    if (attachment->name == NULL || !name_ok(attachment->name, size))
        return error_set(err, "%s.name: must be a file name of at most %d octets", where, MAIL_FILE_NAME_MAX);
    if (!json_read_text(item, where, "type", &attachment->type, &size, err))
        return false;
    if (attachment->type == NULL)
        attachment->type = default_type;
    else if (!type_ok(attachment->type, size))
        return error_set(err, "%s.type: must be a media type such as application/pdf", where);
    if (!json_read_text(item, where, "file", &file, &size, err))
        return false;
    if (file == NULL)
        return error_set(err, "%s.file: is required", where);
    if (read == NULL || read->data == NULL)
        return error_set(err, "%s.file: %s", where,
                         read != NULL && read->fault != NULL ? read->fault : "was not read");
    attachment->data = read->data;
    attachment->size = read->size;
    return true;
}

void mail_attachments_files(struct json_object *payload, const char *directory, struct file_list *list)
{
    struct json_object *items = json_get(payload, "attachments");
    size_t count = json_list_size(items);
    if (directory == NULL || count > MAIL_ATTACHMENTS_MAX)
        return;
    *list = (struct file_list){.directory = directory, .count = count, .octets_max = MAIL_ATTACHED_MAX};
    for (size_t i = 0; i < count; i++)
        list->names[i] = json_get_text(json_list_item(items, i), "file");
}

bool mail_attachments_read(struct json_object *payload, const struct files *files,
                           struct mail_attachment list[MAIL_ATTACHMENTS_MAX], size_t *count,
                           struct error *err)
{
    struct json_object *items = json_get(payload, "attachments");
    *count = 0;
    if (items == NULL)
        return true;
    if (!json_object_is_type(items, json_type_array))
        return error_set(err, "payload.attachments: must be a list");
    size_t length = json_object_array_length(items), total = 0;
    if (length > MAIL_ATTACHMENTS_MAX)
        return error_set(err, "payload.attachments: has more than %d files", MAIL_ATTACHMENTS_MAX);
    if (files != NULL && files->fault != NULL)
        return error_set(err, "payload.attachments: the attachment directory: %s", files->fault);
    for (size_t i = 0; i < length; i++) {
        char where[48];
        snprintf(where, sizeof where, "payload.attachments.%zu", i);
        const struct file *file = files != NULL ? &files->list[i] : NULL;
        if (!read_item(json_object_array_get_idx(items, i), where, file, &list[i], err))
            return false;
        total += list[i].size;
    }
    if (total > MAIL_ATTACHED_MAX)
        return error_set(err, "payload.attachments: has more than %d octets", MAIL_ATTACHED_MAX);
    *count = length;
    return true;
}

/* Octets that stand for themselves in an extended value (RFC 5987, 3.2.1; fewer than RFC 2231 allows). */
static bool is_attribute_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

/* One line for the whole name, or numbered pieces (RFC 2231, 3 and 4). */
static void write_extended_name(struct buf *out, const char *name)
{
    size_t length = 0;
    for (const char *c = name; *c != '\0'; c++)
        length += is_attribute_char(*c) ? 1 : 3;
    bool whole = length <= NAME_PIECE;
    size_t used = NAME_PIECE;
    for (int piece = 0; *name != '\0'; name++) {
        size_t width = is_attribute_char(*name) ? 1 : 3;
        if (used + width > NAME_PIECE) {
            if (whole)
                buf_text(out, ";\r\n filename*=UTF-8''");
            else
                buf_printf(out, ";\r\n filename*%d*=%s", piece, piece == 0 ? "UTF-8''" : "");
            piece++;
            used = 0;
        }
        char escaped[3] = "%";
        hex_escape(*name, escaped + 1);
        buf_append(out, width == 1 ? name : escaped, width);
        used += width;
    }
}

bool mail_attachment_write(struct buf *out, const struct mail_attachment *attachment)
{
    const char *name = attachment->name;
    size_t size = strlen(name);
    buf_printf(out,
               "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment",
               attachment->type);
    if (mime_is_plain(name, size) && size <= NAME_PIECE && strchr(name, '"') == NULL)
        buf_printf(out, ";\r\n filename=\"%s\"", name);
    else
        write_extended_name(out, name);
    return buf_text(out, "\r\n\r\n") && mime_base64_octets(out, attachment->data, attachment->size);
}
