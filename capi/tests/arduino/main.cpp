/* Runs a sketch for some loops. */
#include "Arduino.h"

SerialPort Serial;

void setup();
void loop();

int main() {
  setup();
  for (int i = 0; i < LOOPS; i++) {
    loop();
  }
  fflush(stdout);
  return 0;
}
