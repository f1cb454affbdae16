/*
 * Text from a script on its way to a terminal or a log: one line, and nothing in it that a terminal would
 * obey.
 */
#ifndef ICC_ONELINE_H
#define ICC_ONELINE_H

#include <stddef.h>

/*
 * Copies `len` bytes of text to `out`, terminated. Printable ASCII and UTF-8 stay as they are, a tab becomes
 * a space; control characters and bytes that are not UTF-8 become \n, \r or \xHH. What does not fit is cut
 * off, with "..." for it at the end. `out_size` is at least 8.
 */
void oneline(char *out, size_t out_size, const char *text, size_t len);

#endif
