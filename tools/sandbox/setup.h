/* The sandbox's directory: the keys and passwords clients need, and the file `env` that names it all. */
#ifndef PGOUTBOX_SANDBOX_SETUP_H
#define PGOUTBOX_SANDBOX_SETUP_H

#include "sandbox/authority.h"
#include "sandbox/store/directory.h"

struct setup {
    struct directory directory;
    struct authority authority;
    EVP_PKEY *apns_key;
    EVP_PKEY *service_key;
    struct buf password; /* of SMTP */
    struct buf secret;   /* of all vendors */
};

struct ports {
    int http, apns, fcm, smtp, smtps, vendors;
};

/* Reads what the directory has and makes what is missing. Ended by setup_close, also after an error. */
bool setup_open(struct setup *setup, const char *path, struct error *err);
void setup_close(struct setup *setup);

/* Writes service-account.json, whose token_uri names the port. */
bool setup_write_account(const struct setup *setup, const char *token_uri, struct error *err);
/* Writes `env`; call it when everything listens. */
bool setup_write_env(const struct setup *setup, const struct ports *ports, struct error *err);

#endif
