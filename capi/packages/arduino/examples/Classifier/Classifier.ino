// Tells what somebody with a smart watch does, from accelerations and rotations. motions.h has some that were
// recorded, ten steps a second; put the six numbers of your sensor in their place.
#include <lstm.h>

#include "model.h"
#include "motions.h"

static lstm_model model;
static lstm_sensor sensor;
// lstm_model_describe tells how many words a model needs.
static uint32_t workspace[256];
static size_t next_step;

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
      || lstm_sensor_init(&sensor, &model, workspace, sizeof workspace / 4, &error) != LSTM_OK) {
    stop(&error);
  }
}

void loop() {
  lstm_error error;
  bool is_answered;
  size_t best;
  char name[LSTM_NAME_BYTES];
  if (lstm_sensor_step(&sensor, motions[next_step], 6, &is_answered, &error) != LSTM_OK) {
    stop(&error);
  }
  next_step = (next_step + 1) % (sizeof motions / sizeof motions[0]);
  // The model answers a window of 100 steps; lstm_sensor_set_stride lets it answer more often.
  if (!is_answered) {
    return;
  }
  if (lstm_sensor_class(&sensor, &best, &error) != LSTM_OK
      || lstm_model_output_name(&model, best, name, sizeof name, &error) != LSTM_OK) {
    stop(&error);
  }
  Serial.println(name);
}
