struct opaque;
struct opaque *make_opaque(void);
void build_lists(void);
