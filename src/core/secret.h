/*
 * Secrets are named by a provider's settings, never held in them: for a secret called "key" the settings have
 * "key_file" (path of a file) or "key_env" (name of an environment variable).
 */
#ifndef PGOUTBOX_CORE_SECRET_H
#define PGOUTBOX_CORE_SECRET_H

#include "core/error.h"
#include "core/json.h"

enum { SECRET_MAX = 65536 };

/* Reads the secret. One trailing newline is dropped. Caller frees with secret_free. NULL: err names the
 * setting that is missing, or the file or variable that cannot be read; never the value. */
char *secret_read(struct json_object *settings, const char *name, struct error *err);
void secret_free(char *secret); /* wipes it first; NULL is allowed */

#endif
