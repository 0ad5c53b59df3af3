#include "sandbox/wire/smtp_auth.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#include "sandbox/wire/rfc4648.h"

enum { SECRET_MAX_OCTETS = 512 };

static bool is_same(const char *given, size_t size, const char *wanted)
{
    return size == strlen(wanted) && CRYPTO_memcmp(given, wanted, size) == 0;
}

static void finish(struct smtp *smtp, bool good)
{
    smtp->expect = SMTP_COMMAND;
    smtp->logged_in = good;
    if (good)
        smtp_reply(smtp, "235 2.7.0 logged in");
    else
        smtp_refuse(smtp, "535 5.7.8 authentication failed", "535 credentials");
}

static bool decode(struct smtp *smtp, const char *line, struct buf *out)
{
    buf_init(out, SECRET_MAX_OCTETS);
    if (strcmp(line, "*") == 0) {
        smtp->expect = SMTP_COMMAND;
        smtp_reply(smtp, "501 5.7.0 cancelled");
        return false;
    }
    if (!rfc4648_base64(out, line, strlen(line))) {
        smtp->expect = SMTP_COMMAND;
        smtp_refuse(smtp, "501 5.5.2 not base64", "501 base64");
        return false;
    }
    return true;
}

/* RFC 4616: authorization identity, NUL, user, NUL, password. */
static bool plain_is_right(const struct smtp *smtp, const struct buf *message)
{
    const char *text = buf_string(message), *end = text + message->size;
    const char *user = memchr(text, '\0', message->size);
    const char *password = user ? memchr(user + 1, '\0', (size_t)(end - user - 1)) : NULL;
    if (!password)
        return false;
    bool identity = user == text || is_same(text, (size_t)(user - text), smtp->server->user);
    return identity && is_same(user + 1, (size_t)(password - user - 1), smtp->server->user) &&
           is_same(password + 1, (size_t)(end - password - 1), smtp->server->password);
}

void smtp_auth_line(struct smtp *smtp, const char *line)
{
    struct buf message;
    if (!decode(smtp, line, &message)) {
        buf_free(&message);
        return;
    }
    if (smtp->expect == SMTP_PLAIN) {
        finish(smtp, plain_is_right(smtp, &message));
    } else if (smtp->expect == SMTP_LOGIN_USER) {
        smtp->user_is_right = is_same(buf_string(&message), message.size, smtp->server->user);
        smtp->expect = SMTP_LOGIN_PASSWORD;
        smtp_reply(smtp, "334 UGFzc3dvcmQ6");
    } else {
        finish(smtp,
               is_same(buf_string(&message), message.size, smtp->server->password) && smtp->user_is_right);
    }
    buf_free(&message);
}

void smtp_auth_command(struct smtp *smtp, const char *argument)
{
    size_t size = strcspn(argument, " ");
    const char *initial = argument + size + strspn(argument + size, " ");
    bool plain = size == 5 && strncasecmp(argument, "PLAIN", size) == 0;
    bool login = size == 5 && strncasecmp(argument, "LOGIN", size) == 0;
    if (!wire_is_tls(smtp->wire)) {
        smtp_refuse(smtp, "538 5.7.11 encryption is required", "538 AUTH without TLS");
    } else if (!smtp->helloed || smtp->logged_in || smtp->has_sender) {
        smtp_refuse(smtp, "503 5.5.1 not now", "503 sequence");
    } else if (!plain && !login) {
        smtp_refuse(smtp, "504 5.5.4 mechanism not known", "504 mechanism");
    } else {
        smtp->expect = plain ? SMTP_PLAIN : SMTP_LOGIN_USER;
        if (*initial != '\0')
            smtp_auth_line(smtp, strcmp(initial, "=") == 0 ? "" : initial);
        else
            smtp_reply(smtp, plain ? "334 " : "334 VXNlcm5hbWU6");
    }
}
