#include "formats/basic.h"

#include <string.h>

#include "core/mem.h"
#include "crypto/base64.h"

char *basic_authorization(const char *user, const char *password)
{
    struct buf login, value;
    size_t size = strlen(user) + 1 + strlen(password);
    buf_init(&login, size);
    buf_init(&value, 2 * size + 16);
    buf_printf(&login, "%s:%s", user, password);
    buf_text(&value, "Basic ");
    base64_append(&value, login.data, login.size);
    char *result = mem_strdup(buf_string(&value));
    buf_wipe(&login);
    buf_wipe(&value);
    return result;
}
