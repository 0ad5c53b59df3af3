#include "sandbox/setup.h"

#include <openssl/rand.h>
#include <string.h>

#include "core/json.h"
#include "crypto/base64.h"
#include "crypto/hex.h"
#include "sandbox/key.h"
#include "sandbox/vendors/fcm.h"

enum { RSA_BITS = 2048, SECRET_OCTETS = 18, SECRET_MAX = 128, KEY_ID_OCTETS = 20 };

/* The secret in the file `name`; made and written when there is no such file. */
static bool open_secret(const struct setup *setup, const char *name, struct buf *secret, struct error *err)
{
    if (directory_has(&setup->directory, name)) {
        if (!directory_read(&setup->directory, name, secret, err))
            return false;
        if (secret->size > 0 && secret->data[secret->size - 1] == '\n')
            secret->data[--secret->size] = '\0';
        return secret->size > 0 || error_set(err, "%s is empty", name);
    }
    unsigned char octets[SECRET_OCTETS];
    if (RAND_bytes(octets, sizeof(octets)) != 1)
        return error_set(err, "no randomness");
    base64url_append(secret, octets, sizeof(octets));
    return directory_write(&setup->directory, name, secret->data, secret->size, 0600, err);
}

bool setup_open(struct setup *setup, const char *path, struct error *err)
{
    *setup = (struct setup){0};
    buf_init(&setup->password, SECRET_MAX);
    buf_init(&setup->secret, SECRET_MAX);
    if (!directory_open(&setup->directory, path, err) ||
        !authority_open(&setup->authority, &setup->directory, err))
        return false;
    setup->apns_key = key_open(&setup->directory, "apns.p8", 0, err);
    if (!setup->apns_key)
        return false;
    setup->service_key = key_open(&setup->directory, "service-account.key", RSA_BITS, err);
    return setup->service_key && open_secret(setup, "smtp.password", &setup->password, err) &&
           open_secret(setup, "vendor.secret", &setup->secret, err);
}

void setup_close(struct setup *setup)
{
    EVP_PKEY_free(setup->apns_key);
    EVP_PKEY_free(setup->service_key);
    authority_close(&setup->authority);
    buf_free(&setup->password);
    buf_free(&setup->secret);
}

/* The key's id: a hash of its public half, so that it stays the same. */
static bool append_key_id(struct buf *out, EVP_PKEY *key)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    int size = i2d_PUBKEY(key, &der);
    bool done = size > 0 && EVP_Digest(der, (size_t)size, digest, &digest_size, EVP_sha256(), NULL) == 1 &&
                hex_append(out, digest, KEY_ID_OCTETS);
    OPENSSL_free(der);
    return done;
}

bool setup_write_account(const struct setup *setup, const char *token_uri, struct error *err)
{
    struct buf pem, json;
    buf_init(&pem, DIRECTORY_FILE_MAX);
    buf_init(&json, DIRECTORY_FILE_MAX);
    buf_text(&json, "{\n  \"type\": \"service_account\",\n  \"project_id\": \"" FCM_PROJECT "\",\n"
                    "  \"private_key_id\": \"");
    bool done = append_key_id(&json, setup->service_key) && key_append_pem(&pem, setup->service_key);
    if (done) {
        buf_text(&json, "\",\n  \"private_key\": ");
        json_append_string(&json, pem.data, pem.size);
        buf_printf(&json,
                   ",\n  \"client_email\": \"" FCM_ACCOUNT "\",\n"
                   "  \"client_id\": \"100000000000000000000\",\n  \"token_uri\": \"%s\"\n}\n",
                   token_uri);
    }
    done = done && !json.overflowed
               ? directory_write(&setup->directory, "service-account.json", json.data, json.size, 0600, err)
               : error_set(err, "cannot make service-account.json");
    buf_free(&pem);
    buf_free(&json);
    return done;
}

/* NAME='value' as a shell reads it. */
static void append_assignment(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "OUTBOX_SANDBOX_%s='", name);
    for (; *value; value++) {
        if (*value == '\'')
            buf_text(out, "'\\''");
        else
            buf_char(out, *value);
    }
    buf_text(out, "'\n");
}

bool setup_write_env(const struct setup *setup, const struct ports *ports, struct error *err)
{
    const struct {
        const char *name;
        const char *before;
        int port;
    } urls[] = {{"URL", "http://127.0.0.1:", ports->http},
                {"APNS_URL", "https://127.0.0.1:", ports->apns},
                {"FCM_URL", "https://127.0.0.1:", ports->fcm},
                {"SMTP_URL", "smtp://localhost:", ports->smtp},
                {"SMTPS_URL", "smtps://localhost:", ports->smtps},
                {"VENDORS_URL", "https://127.0.0.1:", ports->vendors}};
    struct buf env, value;
    buf_init(&env, 4 * DIRECTORY_PATH_MAX);
    buf_init(&value, DIRECTORY_PATH_MAX + 16);
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        buf_reset(&value);
        buf_printf(&value, "%s%d", urls[i].before, urls[i].port);
        append_assignment(&env, urls[i].name, buf_string(&value));
    }
    buf_reset(&value);
    buf_printf(&value, "%s/ca.pem", setup->directory.path);
    append_assignment(&env, "CA", buf_string(&value));
    append_assignment(&env, "DIR", setup->directory.path);
    bool done = env.overflowed ? error_set(err, "the path of the directory is too long")
                               : directory_write(&setup->directory, "env", env.data, env.size, 0600, err);
    buf_free(&env);
    buf_free(&value);
    return done;
}
