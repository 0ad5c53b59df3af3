/* Which addresses a connection may go to when somebody outside chose its host (server-side request forgery).
 */
#ifndef PGOUTBOX_TRANSPORT_GUARD_H
#define PGOUTBOX_TRANSPORT_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

/* Only public unicast addresses: not this host, not a private, link-local, documentation, benchmark,
 * multicast or reserved one (IANA's registries of special-purpose addresses; RFC 6890). An IPv6 address that
 * carries an IPv4 address (mapped, 6to4, NAT64) is judged by that. address is as long as its family says. */
bool guard_allows(const struct sockaddr *address);

#endif
