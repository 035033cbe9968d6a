struct opaque;
struct opaque *make_opaque(void);
void build_lists(void);
/* One line of a header, two meanings: each unit says what MEMBER and NUMBER are. */
struct renamed { int MEMBER; };
typedef NUMBER number_t;
