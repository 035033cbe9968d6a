/* break.h - ways to break the hosted demo on purpose. */
#ifndef UNIOBS_HOSTED_BREAK_H
#define UNIOBS_HOSTED_BREAK_H

#include <stdbool.h>

void break_init(void);
bool break_known(const char *how);
void break_now(const char *how);   /* null abort overflow deadlock spin exit */

#endif
