/* form.c - attribute forms (DWARF 5, 7.5.6, and GNU's): sizes and values. */
#include "builder.h"
#include "forms.h"

/* Bytes of a form by its number; -1 varies, -2 unknown, -3 an address, -4 an offset, -5 REF_ADDR. */
static int kind_of(uint16_t form)
{
	switch (form) {
	case FORM_FLAG_PRESENT: case FORM_IMPLICIT_CONST:
		return 0;
	case FORM_DATA1: case FORM_FLAG: case FORM_REF1: case FORM_STRX1: case FORM_ADDRX1:
		return 1;
	case FORM_DATA2: case FORM_REF2: case FORM_STRX2: case FORM_ADDRX2:
		return 2;
	case FORM_STRX3: case FORM_ADDRX3:
		return 3;
	case FORM_DATA4: case FORM_REF4: case FORM_REF_SUP4: case FORM_STRX4: case FORM_ADDRX4:
		return 4;
	case FORM_DATA8: case FORM_REF8: case FORM_REF_SIG8: case FORM_REF_SUP8:
		return 8;
	case FORM_DATA16:
		return 16;
	case FORM_ADDR:
		return -3;
	case FORM_STRP: case FORM_SEC_OFFSET: case FORM_STRP_SUP: case FORM_LINE_STRP: case FORM_GNU_REF_ALT:
	case FORM_GNU_STRP_ALT:
		return -4;
	case FORM_REF_ADDR:
		return -5;
	case FORM_SDATA: case FORM_UDATA: case FORM_REF_UDATA: case FORM_STRX: case FORM_ADDRX:
	case FORM_LOCLISTX: case FORM_RNGLISTX: case FORM_GNU_ADDR_INDEX: case FORM_GNU_STR_INDEX:
	case FORM_STRING: case FORM_BLOCK1: case FORM_BLOCK2: case FORM_BLOCK4: case FORM_BLOCK:
	case FORM_EXPRLOC: case FORM_INDIRECT:
		return -1;
	default:
		return -2;
	}
}

bool form_known(uint16_t form)
{
	return kind_of(form) != -2;
}

int form_size(uint16_t form, struct sizes sizes)
{
	const int kind = kind_of(form);

	switch (kind) {
	case -3:
		return sizes.address;
	case -4:
		return sizes.offset;
	case -5:
		return sizes.version == 2 ? sizes.address : sizes.offset;
	default:
		return kind;
	}
}

static uint16_t take_indirect(struct cursor *c)
{
	const uint64_t form = take_uleb(c);

	if (form > UINT16_MAX || form == FORM_INDIRECT || form == FORM_IMPLICIT_CONST ||
	    !form_known((uint16_t)form)) {
		fail(c);
		return FORM_FLAG_PRESENT;
	}
	return (uint16_t)form;
}

static void skip_varying(struct cursor *c, uint16_t form)
{
	switch (form) {
	case FORM_STRING:
		take_text(c);
		break;
	case FORM_BLOCK1:
		skip(c, take_u8(c));
		break;
	case FORM_BLOCK2:
		skip(c, take(c, 2));
		break;
	case FORM_BLOCK4:
		skip(c, take(c, 4));
		break;
	case FORM_BLOCK: case FORM_EXPRLOC:
		skip(c, take_uleb(c));
		break;
	default:
		skip_leb(c);
		break;
	}
}

void skip_value(struct cursor *c, uint16_t form, struct sizes sizes)
{
	int size;

	if (form == FORM_INDIRECT)
		form = take_indirect(c);
	size = form_size(form, sizes);
	if (size >= 0)
		skip(c, (uint64_t)size);
	else
		skip_varying(c, form);
}

struct value take_value(struct cursor *c, uint16_t form, struct sizes sizes)
{
	struct value value = { .form = form };
	int size;

	if (form == FORM_INDIRECT)
		value.form = form = take_indirect(c);
	size = form_size(form, sizes);
	if (form == FORM_FLAG_PRESENT) {
		value.number = 1;
	} else if (size > 8) {
		value.block = true; /* more than any attribute that is asked for can mean */
		skip(c, (uint64_t)size);
	} else if (size >= 0) {
		value.number = take(c, (unsigned)size);
	} else if (form == FORM_SDATA) {
		value.number = (uint64_t)take_sleb(c);
	} else if (form == FORM_STRING) {
		value.number = (uint64_t)(uintptr_t)c->at - (uint64_t)(uintptr_t)B.section[INFO].data;
		take_text(c);
	} else if (form == FORM_EXPRLOC || form == FORM_BLOCK || form == FORM_BLOCK1 || form == FORM_BLOCK2 ||
		   form == FORM_BLOCK4) {
		value.block = true;
		skip_varying(c, form);
	} else {
		value.number = take_uleb(c);
	}
	return value;
}
