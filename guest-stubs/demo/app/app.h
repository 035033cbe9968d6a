/* app.h - what the parts of the application share. */
#ifndef DEMO_APP_H
#define DEMO_APP_H

#include "kernel.h"

#define WORKERS 4u

extern uniobs_counter_t *requests_total, *errors_total, *ticks_total;

/* Have housekeeping look at the store: its contents changed. */
void store_changed(void);

#endif
