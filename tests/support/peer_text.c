#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "support/peer_internal.h"

/* The two protocols made of lines. */
struct lines {
    struct peer_link *link;
    struct buf in;
};

static bool fill(struct lines *lines)
{
    char data[16384];
    int size = peer_read(lines->link, data, sizeof data);
    return size > 0 && buf_append(&lines->in, data, (size_t)size);
}

/* A line without its end. */
static bool next_line(struct lines *lines, char *line, size_t room)
{
    char *end;
    while (lines->in.size == 0 || (end = memchr(lines->in.data, '\n', lines->in.size)) == NULL)
        if (!fill(lines))
            return false;
    size_t size = (size_t)(end - lines->in.data);
    snprintf(line, room, "%.*s", (int)(size > 0 && end[-1] == '\r' ? size - 1 : size), lines->in.data);
    buf_consume(&lines->in, size + 1);
    return true;
}

static bool say(struct lines *lines, const char *text)
{
    size_t size = strlen(text);
    size_t step = lines->link->peer->options.dribble ? 1 : size;
    bool good = true;
    for (size_t at = 0; good && at < size; at += step)
        good = peer_write(lines->link, text + at, step);
    return good;
}

/* ---- HTTP/1.1 ---- */

static void wait_for_turn(struct peer *peer, const char *path)
{
    const char *after = strstr(path, "/after/");
    size_t others = after != NULL ? strtoul(after + strlen("/after/"), NULL, 10) : 0;
    pthread_mutex_lock(&peer->lock);
    while (peer->answered < others && !peer->closing)
        pthread_cond_wait(&peer->turn, &peer->lock);
    pthread_mutex_unlock(&peer->lock);
}

static void count_answer(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    peer->answered++;
    pthread_cond_broadcast(&peer->turn);
    pthread_mutex_unlock(&peer->lock);
}

/* False: no more requests. */
static bool http1_act(struct lines *lines, const char *path, size_t length)
{
    char head[160];
    struct peer *peer = lines->link->peer;
    peer_record(peer, path, strlen(path));
    while (strncmp(path, "/silent", 7) != 0 && lines->in.size < length)
        if (!fill(lines))
            return false;
    if (strncmp(path, "/reset", 6) == 0) {
        peer_abort(lines->link);
        return false;
    }
    if (strncmp(path, "/silent", 7) == 0) {
        while (fill(lines))
            buf_reset(&lines->in);
        return false;
    }
    if (strncmp(path, "/close", 6) == 0)
        return false;
    buf_consume(&lines->in, length);
    size_t size = strncmp(path, "/big", 4) == 0 ? 200000 : 2;
    int status = strncmp(path, "/status/", 8) == 0 ? atoi(path + 8) : 200;
    if (peer->options.status > 0)
        status = peer->options.status;
    snprintf(head, sizeof head, "HTTP/1.1 %d Fine\r\nContent-Length: %zu\r\nX-Peer: yes \r\n\r\n", status,
             size);
    wait_for_turn(peer, path);
    bool good = say(lines, head);
    for (size_t i = 0; good && i < size; i += 2)
        good = say(lines, "ok");
    count_answer(peer);
    return good && strncmp(path, "/leave", 6) != 0;
}

void peer_serve_http1(struct peer_link *link)
{
    struct lines lines = {.link = link};
    char line[1024], path[128];
    buf_init(&lines.in, 1024 * 1024);
    bool good = true;
    while (good && next_line(&lines, line, sizeof line)) {
        size_t length = 0;
        if (sscanf(line, "%*s %127s", path) != 1)
            break;
        while ((good = next_line(&lines, line, sizeof line)) && line[0] != '\0')
            if (strncasecmp(line, "content-length:", 15) == 0)
                length = strtoul(line + 15, NULL, 10);
        good = good && http1_act(&lines, path, length);
    }
    buf_free(&lines.in);
}

/* ---- SMTP ---- */

static const struct peer_reply usual_replies[] = {
    {"", "220 peer ESMTP\r\n"},        {"STARTTLS", "220 2.0.0 go ahead\r\n"},
    {"AUTH", "235 2.7.0 welcome\r\n"}, {"MAIL", "250 2.1.0 fine\r\n"},
    {"RCPT", "250 2.1.5 fine\r\n"},    {"RSET", "250 2.0.0 fine\r\n"},
    {"DATA", "354 go ahead\r\n"},      {".", "250-2.0.0 taken\r\n250 2.0.0 as 42\r\n"},
    {"QUIT", "221 2.0.0 bye\r\n"},     {NULL, NULL},
};

static const struct peer_reply *find_reply(const struct peer_reply *replies, const char *verb)
{
    for (; replies != NULL && replies->verb != NULL; replies++)
        if (strcasecmp(replies->verb, verb) == 0)
            return replies;
    return NULL;
}

static bool reply(struct lines *lines, const char *verb, const char **text)
{
    const struct peer_options *options = &lines->link->peer->options;
    const struct peer_reply *found = find_reply(options->replies, verb);
    if (found == NULL)
        found = find_reply(usual_replies, verb);
    *text = found != NULL ? found->text : "500 5.5.1 what?\r\n";
    return *text != NULL && say(lines, *text);
}

static bool ehlo(struct lines *lines)
{
    const struct peer_options *options = &lines->link->peer->options;
    const struct peer_reply *scripted = find_reply(options->replies, "EHLO");
    if (scripted != NULL)
        return scripted->text != NULL && say(lines, scripted->text);
    if (lines->link->ssl == NULL && !options->no_starttls)
        return say(lines, "250-peer\r\n250-STARTTLS\r\n250 8BITMIME\r\n");
    return say(lines, "250-peer\r\n250-AUTH LOGIN PLAIN\r\n250 8BITMIME\r\n");
}

static bool read_mail(struct lines *lines)
{
    char line[4096];
    struct peer *peer = lines->link->peer;
    struct buf mail;
    bool whole = false;
    buf_init(&mail, 16 * 1024 * 1024);
    while (!whole && next_line(lines, line, sizeof line)) {
        whole = strcmp(line, ".") == 0;
        if (!whole)
            buf_printf(&mail, "%s\r\n", line[0] == '.' ? line + 1 : line);
    }
    if (whole) {
        peer_record(peer, ".", 1);
        pthread_mutex_lock(&peer->lock);
        buf_reset(&peer->mail);
        buf_append(&peer->mail, buf_string(&mail), mail.size);
        pthread_mutex_unlock(&peer->lock);
    }
    buf_free(&mail);
    return whole;
}

static bool smtp_command(struct lines *lines, char *line)
{
    char verb[16] = "";
    const char *text;
    peer_record(lines->link->peer, line, strlen(line));
    snprintf(verb, sizeof verb, "%.*s", (int)strcspn(line, " "), line);
    if (strcasecmp(verb, "EHLO") == 0)
        return ehlo(lines);
    if (!reply(lines, verb, &text))
        return false;
    if (strcasecmp(verb, "STARTTLS") == 0 && text[0] == '2')
        return peer_start_tls(lines->link);
    while (strcasecmp(verb, "AUTH") == 0 && text[0] == '3') {
        if (!next_line(lines, line, 1024))
            return false;
        peer_record(lines->link->peer, line, strlen(line));
        if (!reply(lines, "+", &text))
            return false;
        /* The second AUTH line of LOGIN is the last one. */
        if (text[0] == '3' && next_line(lines, line, 1024)) {
            peer_record(lines->link->peer, line, strlen(line));
            return say(lines, "235 2.7.0 welcome\r\n");
        }
    }
    const struct peer_options *options = &lines->link->peer->options;
    if (strcasecmp(verb, "DATA") == 0 && options->stall_data) {
        struct pollfd wait = {.fd = lines->link->fd, .events = POLLRDHUP};
        return poll(&wait, 1, -1) < 0;
    }
    if (strcasecmp(verb, "DATA") == 0 && options->cut_data)
        return fill(lines) && false;
    if (strcasecmp(verb, "DATA") == 0 && text[0] == '3')
        return read_mail(lines) && reply(lines, ".", &text);
    return strcasecmp(verb, "QUIT") != 0;
}

void peer_serve_smtp(struct peer_link *link)
{
    struct lines lines = {.link = link};
    char line[1024];
    const char *text;
    buf_init(&lines.in, 1024 * 1024);
    bool good = reply(&lines, "", &text);
    while (good && next_line(&lines, line, sizeof line))
        good = smtp_command(&lines, line);
    buf_free(&lines.in);
}
