#include "formats/text.h"

bool text_is_one_line(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7F)
            return false;
    }
    return true;
}
