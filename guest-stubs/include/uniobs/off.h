/* off.h - what a part that was left out (uniobs/opt.h) turns into: nothing. Callers stay as they are. */
#ifndef UNIOBS_OFF_H
#define UNIOBS_OFF_H

#define UNIOBS_OFF static inline __attribute__((unused))

#if !UNIOBS_WITH_LOCKS
UNIOBS_OFF uniobs_lock_t *uniobs_lock_add(uint8_t kind, uint64_t va, const char *name) { (void)kind, (void)va, (void)name; return 0; }
UNIOBS_OFF void uniobs_lock_remove(uniobs_lock_t *row) { (void)row; }
UNIOBS_OFF void uniobs_lock_acquired(uniobs_lock_t *row, uint32_t tid, uint64_t pc) { (void)row, (void)tid, (void)pc; }
UNIOBS_OFF void uniobs_lock_released(uniobs_lock_t *row) { (void)row; }
UNIOBS_OFF void uniobs_lock_waiters(uniobs_lock_t *row, int delta) { (void)row, (void)delta; }
UNIOBS_OFF void uniobs_lock_value(uniobs_lock_t *row, int32_t value) { (void)row, (void)value; }
#endif

#if !UNIOBS_WITH_SOCKETS
UNIOBS_OFF uniobs_socket_t *uniobs_socket_add(uint8_t kind, uint64_t id, int32_t fd, uint32_t owner_tid)
{ (void)kind, (void)id, (void)fd, (void)owner_tid; return 0; }
UNIOBS_OFF void uniobs_socket_remove(uniobs_socket_t *row) { (void)row; }
UNIOBS_OFF void uniobs_socket_set(uniobs_socket_t *row, const uniobs_socket_t *from) { (void)row, (void)from; }
UNIOBS_OFF uniobs_iface_t *uniobs_iface_add(const char *name, const uint8_t mac[6], uint16_t mtu) { (void)name, (void)mac, (void)mtu; return 0; }
UNIOBS_OFF void uniobs_iface_set(uniobs_iface_t *row, const uniobs_iface_t *from) { (void)row, (void)from; }
#endif

#if !UNIOBS_WITH_SITES
UNIOBS_OFF void uniobs_heap_set(const struct uniobs_heap *from) { (void)from; }
UNIOBS_OFF void uniobs_alloc(uint64_t pc, uint64_t bytes) { (void)pc, (void)bytes; }
UNIOBS_OFF void uniobs_free(uint64_t pc, uint64_t bytes) { (void)pc, (void)bytes; }
#endif

#if !UNIOBS_WITH_TRACE
UNIOBS_OFF uint16_t uniobs_event(const char *name, uint8_t phase, uint8_t category, uint16_t pair, const struct uniobs_arg_def *args, uint8_t nargs)
{ (void)name, (void)phase, (void)category, (void)pair, (void)args, (void)nargs; return 0; }
UNIOBS_OFF int uniobs_on(uint16_t id) { (void)id; return 0; }
UNIOBS_OFF uint64_t uniobs_emit2(uint16_t id, uint32_t tid, uint64_t w0, uint64_t w1) { (void)id, (void)tid, (void)w0, (void)w1; return 0; }
UNIOBS_OFF uint64_t uniobs_emit(uint16_t id, uint32_t tid, const uint64_t *words, uint32_t n) { (void)id, (void)tid, (void)words, (void)n; return 0; }
UNIOBS_OFF uint32_t uniobs_pack(uint64_t *words, uint32_t n, const void *data, uint32_t length, uint32_t max)
{ (void)words, (void)data, (void)length, (void)max; return n; }
#endif

#if !UNIOBS_WITH_LOG
UNIOBS_OFF void uniobs_log(uint8_t level, uint32_t tid, const char *text, uint32_t length) { (void)level, (void)tid, (void)text, (void)length; }
#endif

#if !UNIOBS_WITH_PACKETS
UNIOBS_OFF void uniobs_packet(uint16_t iface, uint8_t dir, const void *frame, uint32_t length) { (void)iface, (void)dir, (void)frame, (void)length; }
#endif

#if !UNIOBS_WITH_PANIC
UNIOBS_OFF void uniobs_panic(uint32_t kind, const struct uniobs_panic *regs, const char *message, const void *stack, uint64_t stack_va, uint64_t stack_len)
{ (void)kind, (void)regs, (void)message, (void)stack, (void)stack_va, (void)stack_len; }
#endif

#if !UNIOBS_WITH_CHANNEL
UNIOBS_OFF int uniobs_answer(const struct uniobs_frame *request, uniobs_allowed_fn allowed, struct uniobs_frame *reply, const void **payload)
{ (void)request, (void)allowed, (void)reply; *payload = 0; return UNIOBS_EINVAL; }
#endif

#undef UNIOBS_OFF
#endif
