/* show.h: answers as sentences that a cashier can read. */
#ifndef FEALTY_TOOLS_SHOW_H
#define FEALTY_TOOLS_SHOW_H

#include "fealty.h"

/* "1 point", "4 points", "1.50 points"; valid until the end of the enclosing block. */
struct points_text { char text[64]; };
const char *points_text(struct points_text *t, const char *points);
#define POINTS(points) points_text(&(struct points_text){ { 0 } }, points)

/* "available 104, held 50, tier gold until 2027-03-31"; zeros are left out.  A newline ends it. */
void show_standing(const Fealty__V1__Response *response);

/* What a redemption is worth, and of which lots with a last day it takes. */
void show_worth(const Fealty__V1__Response *response);

/* "Done (17.0)." and the standing: for commands that have no number of their own to tell. */
void show_done(const Fealty__V1__Response *response);

/* What the command did to its member: "  24 points earned (base, visit)", a line each. */
void show_effects(const Fealty__V1__Response *response);

/* These, and a note that the answer is that of an earlier run, when it is: what each answer to a command ends with. */
void show_end(const Fealty__V1__Response *response);

/* Whether a decimal is zero, or absent. */
bool points_are_zero(const char *points);

#endif
