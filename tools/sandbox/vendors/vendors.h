/* All vendors with an HTTP interface of their own, on one port: told apart by method and path. */
#ifndef PGOUTBOX_SANDBOX_VENDORS_VENDORS_H
#define PGOUTBOX_SANDBOX_VENDORS_VENDORS_H

#include "sandbox/vendors/vendor.h"

extern const struct http_service vendors_service; /* its arg is a struct vendors */

#endif
