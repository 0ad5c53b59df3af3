/* Basic authentication (RFC 7617). */
#ifndef PGOUTBOX_FORMATS_BASIC_H
#define PGOUTBOX_FORMATS_BASIC_H

/* The value of the header authorization. secret_free. */
char *basic_authorization(const char *user, const char *password);

#endif
