/* The private keys of DKIM. */
#include "core/mem.h"
#include "crypto/digest.h"
#include "crypto/signature.h"
#include "formats/dkim.h"

enum { RSA_LEAST_BITS = 1024, RSA_MOST_BITS = 4096 };

struct dkim_key {
    struct signature_key *key;
    enum signature_kind kind;
};

static bool check_key(const struct dkim_key *key, struct error *err)
{
    int bits = signature_key_bits(key->key);
    bool suits = key->kind == SIGNATURE_RSA ? bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS
                                            : key->kind == SIGNATURE_ED25519;
    if (!suits)
        return error_set(err, "must be an Ed25519 key or an RSA key of %d to %d bits", RSA_LEAST_BITS,
                         RSA_MOST_BITS);
    return signature_key_is_sound(key->key) || error_set(err, "is damaged: its parts do not belong together");
}

struct dkim_key *dkim_key_new(const char *pem, struct error *err)
{
    struct signature_key *read = signature_key_new(pem, err);
    if (read == NULL)
        return NULL;
    struct dkim_key *key = mem_alloc(sizeof *key);
    *key = (struct dkim_key){read, signature_key_kind(read)};
    if (check_key(key, err))
        return key;
    dkim_key_free(key);
    return NULL;
}

void dkim_key_free(struct dkim_key *key)
{
    if (key == NULL)
        return;
    signature_key_free(key->key);
    mem_free(key);
}

const char *dkim_key_algorithm(const struct dkim_key *key)
{
    return key->kind == SIGNATURE_RSA ? "rsa-sha256" : "ed25519-sha256";
}

bool dkim_key_sign(const struct dkim_key *key, const char *data, size_t size, struct buf *out)
{
    if (key->kind == SIGNATURE_RSA)
        return signature_make(key->key, data, size, out);
    /* RFC 8463, 3: PureEdDSA over the hash, not over the data. */
    unsigned char digest[SHA256_SIZE];
    digest_sha256(data, size, digest);
    return signature_make(key->key, digest, sizeof digest, out);
}
