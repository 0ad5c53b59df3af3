#include "sandbox/vendors/dkim_check.h"

#include <opendkim/dkim.h>
#include <string.h>

enum { NAME_MAX_OCTETS = 253, KEY_BITS_LEAST = 1024 };

/* It becomes part of a file's name. */
static bool is_dns_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t size = strlen(name);
    return size > 0 && size <= NAME_MAX_OCTETS && strspn(name, allowed) == size;
}

/* In place of the DNS. */
static DKIM_CBSTAT find_key(DKIM *dkim, DKIM_SIGINFO *signature, u_char *record, size_t room)
{
    const struct directory *directory = dkim_get_user_context(dkim);
    const char *selector = (const char *)dkim_sig_getselector(signature);
    const char *domain = (const char *)dkim_sig_getdomain(signature);
    struct buf name, text;
    buf_init(&name, 2 * NAME_MAX_OCTETS + 32);
    buf_init(&text, room - 1);
    bool found = is_dns_name(selector) && is_dns_name(domain) &&
                 buf_printf(&name, "%s._domainkey.%s.txt", selector, domain) &&
                 directory_read(directory, buf_string(&name), &text, NULL);
    if (found)
        memcpy(record, buf_string(&text), text.size + 1);
    buf_free(&name);
    buf_free(&text);
    return found ? DKIM_CBSTAT_CONTINUE : DKIM_CBSTAT_NOTFOUND;
}

static bool is_good(DKIM *dkim, DKIM_SIGINFO *signature)
{
    ssize_t size, canonical, length = 0;
    /* A length (l=) would leave room for a text behind the one that was signed. */
    return DKIM_SIG_CHECK(signature) && dkim_sig_geterror(signature) == DKIM_SIGERROR_OK &&
           dkim_sig_getcanonlen(dkim, signature, &size, &canonical, &length) == DKIM_STAT_OK && length < 0;
}

static const char *judge(DKIM *dkim)
{
    DKIM_SIGINFO **signatures = NULL;
    int count = 0;
    if (dkim_getsiglist(dkim, &signatures, &count) != DKIM_STAT_OK || count == 0)
        return "fail";
    for (int i = 0; i < count; i++)
        if (!is_good(dkim, signatures[i]))
            return "fail";
    return "pass";
}

static const char *verify(DKIM *dkim, const char *mail, size_t size)
{
    u_char *octets = (u_char *)(uintptr_t)mail; /* which are only read */
    DKIM_STAT status = dkim_chunk(dkim, octets, size);
    if (status == DKIM_STAT_NOSIG)
        return "none";
    bool done = status == DKIM_STAT_OK && dkim_chunk(dkim, NULL, 0) == DKIM_STAT_OK;
    if (done)
        (void)dkim_eom(dkim, NULL); /* what is wrong stands with each signature */
    return done ? judge(dkim) : "fail";
}

const char *dkim_check(const struct directory *directory, const char *mail, size_t size)
{
    static const u_char id[] = "sandbox";
    const char *result = "fail";
    unsigned bits = KEY_BITS_LEAST;
    DKIM_STAT status;
    DKIM_LIB *library = dkim_init(NULL, NULL);
    DKIM *dkim = NULL;
    if (library != NULL && dkim_set_key_lookup(library, find_key) == DKIM_STAT_OK &&
        dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_MINKEYBITS, &bits, sizeof(bits)) == DKIM_STAT_OK)
        dkim = dkim_verify(library, id, NULL, &status);
    if (dkim != NULL && dkim_set_user_context(dkim, (void *)(uintptr_t)directory) == DKIM_STAT_OK)
        result = verify(dkim, mail, size);
    if (dkim != NULL)
        dkim_free(dkim);
    if (library != NULL)
        dkim_close(library);
    return result;
}
