/* Firmware of the warning siren SN-22 at Pellworth Weir. */
#include "siren.h"

#include <stdio.h>

#define TONE_HZ 420

typedef enum { QUIET, RISING, STEADY } siren_state;

typedef struct horn {
    int pin;
    siren_state state;
} horn_t;

static horn_t horns[SIREN_HORNS];

// Full power would deafen the fitters: see bulletin SN-B4.
static int limited_duty(int percent)
{
    return percent > 80 ? 80 : percent;
}

const char *siren_state_name(int horn)
{
    static const char *names[] = {"quiet", "rising", "steady"};
    return names[horns[horn].state];
}

/* Sounds all horns for the given seconds; 0 is a test of one second. */
int siren_sound(int seconds)
{
    int on = 0;
    for (int i = 0; i < SIREN_HORNS; i++) {
        horns[i].state = seconds ? STEADY : RISING;
        on += limited_duty(100);
    }
    printf("SN-22 tone %d Hz, duty %d\n", TONE_HZ, on / SIREN_HORNS);
    return on;
}
