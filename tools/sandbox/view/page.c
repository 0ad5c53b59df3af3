/* The page is a file of its own so that it can be read and edited as what it is. */
#include "sandbox/view/view.h"

__asm__(".section .rodata\n"
        ".global page_html, page_html_end\n"
        "page_html: .incbin \"tools/sandbox/view/page.html\"\n"
        "page_html_end: .byte 0\n"
        ".previous\n");
