#include "transport/guard.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static bool prefix_holds(const unsigned char *prefix, int bits, const unsigned char *address)
{
    int octets = bits / 8, rest = bits % 8;
    if (memcmp(prefix, address, (size_t)octets) != 0)
        return false;
    return rest == 0 || ((prefix[octets] ^ address[octets]) >> (8 - rest)) == 0;
}

static bool ipv4_allows(const unsigned char address[4])
{
    static const struct {
        unsigned char prefix[4];
        int bits;
    } refused[] = {
        {{0}, 8},             /* this network; Linux takes 0.0.0.0 for itself */
        {{10}, 8},            /* private */
        {{100, 64}, 10},      /* shared by carriers */
        {{127}, 8},           /* this host */
        {{169, 254}, 16},     /* link-local, and the metadata services of clouds */
        {{172, 16}, 12},      /* private */
        {{192, 0, 0}, 24},    /* protocol assignments */
        {{192, 0, 2}, 24},    /* documentation */
        {{192, 88, 99}, 24},  /* 6to4 relays */
        {{192, 168}, 16},     /* private */
        {{198, 18}, 15},      /* benchmarks */
        {{198, 51, 100}, 24}, /* documentation */
        {{203, 0, 113}, 24},  /* documentation */
        {{224}, 4},           /* multicast */
        {{240}, 4},           /* reserved, and broadcast */
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (prefix_holds(refused[i].prefix, refused[i].bits, address))
            return false;
    }
    return true;
}

static bool ipv6_allows(const unsigned char address[16])
{
    /* The first row that holds the address decides. What no row holds is not allowed: of all IPv6 only
     * 2000::/3 is given out as public unicast. */
    static const struct {
        unsigned char prefix[16];
        int bits;
        enum { NO, YES, INNER } allowed;
        int inner; /* INNER: where the IPv4 address begins */
    } rows[] = {
        {{[10] = 0xFF, 0xFF}, 96, INNER, 12},      /* ::ffff:0:0/96, IPv4-mapped */
        {{0x00, 0x64, 0xFF, 0x9B}, 96, INNER, 12}, /* 64:ff9b::/96, NAT64 */
        {{0x20, 0x02}, 16, INNER, 2},              /* 2002::/16, 6to4 */
        {{0x20, 0x01, 0x00}, 23, NO, 0},           /* 2001::/23, protocol assignments, Teredo */
        {{0x20, 0x01, 0x0D, 0xB8}, 32, NO, 0},     /* 2001:db8::/32, documentation */
        {{0x3F, 0xFF, 0x00}, 20, NO, 0},           /* 3fff::/20, documentation */
        {{0x20}, 3, YES, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (prefix_holds(rows[i].prefix, rows[i].bits, address))
            return rows[i].allowed == INNER ? ipv4_allows(address + rows[i].inner) : rows[i].allowed == YES;
    }
    return false;
}

bool guard_allows(const struct sockaddr *address)
{
    unsigned char octets[16];
    if (address->sa_family == AF_INET) {
        memcpy(octets, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return ipv4_allows(octets);
    }
    if (address->sa_family == AF_INET6) {
        memcpy(octets, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
        return ipv6_allows(octets);
    }
    return false;
}
