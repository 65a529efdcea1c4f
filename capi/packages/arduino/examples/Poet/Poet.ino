// Writes verse over the serial port, for as long as there is power.
#include <lstm.h>

#include "model.h"

static lstm_model model;
static lstm_generator generator;
// lstm_model_describe tells how many words a model needs.
static uint32_t workspace[1024];

static void stop(const lstm_error *error) {
  char line[160];
  lstm_error_text(error, line, sizeof line);
  for (;;) {
    Serial.print("error: ");
    Serial.println(line);
    delay(5000);
  }
}

void setup() {
  lstm_error error;
  Serial.begin(115200);
  if (lstm_model_init(&model, model_file, sizeof model_file, &error) != LSTM_OK
      || lstm_generator_init(&generator, &model, workspace, sizeof workspace / 4, 1, &error) != LSTM_OK
      || lstm_generator_set(&generator, 0.8f, 256, 1.0f, &error) != LSTM_OK
      || lstm_generator_read(&generator, "shall i compare thee ", 21, &error) != LSTM_OK) {
    stop(&error);
  }
}

void loop() {
  uint8_t token;
  char text[LSTM_CHARACTER_BYTES];
  lstm_generator_next(&generator, &token);
  lstm_model_decode(&model, token, text, sizeof text);
  Serial.print(text);
}
