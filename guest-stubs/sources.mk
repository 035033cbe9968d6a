# The library's sources, for a guest's Makefile: set UNIOBS_DIR to this folder, include this file,
# compile $(UNIOBS_SRC) with $(UNIOBS_CPPFLAGS) and -I of the folder that holds your uniobs_port.h.
UNIOBS_DIR ?= $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
UNIOBS_SRC := $(addprefix $(UNIOBS_DIR)/src/,answer.c check.c counters.c crc.c events.c ifaces.c locks.c log.c \
	memory.c packets.c panic.c region.c ring.c sockets.c strings.c threads.c trace.c)
UNIOBS_CPPFLAGS := -I$(UNIOBS_DIR)/include
