/* A Modbus slave by libmodbus, a stack we did not write: unit 1, 100 items of each table, answers until it is ended.
 *
 *   libmodbus-server tcp PORT | libmodbus-server rtu TTY BAUD
 *
 * Holding register 10 is 0x1234, input register 5 is 0x0102, discrete input 7 is on. */
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fill(modbus_mapping_t *map) {
  map->tab_registers[10] = 0x1234;
  map->tab_input_registers[5] = 0x0102;
  map->tab_input_bits[7] = 1;
}

int main(int count, char **words) {
  uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
  int is_tcp = count == 3 && strcmp(words[1], "tcp") == 0;
  modbus_t *slave = is_tcp ? modbus_new_tcp("127.0.0.1", atoi(words[2])) : modbus_new_rtu(words[2], atoi(words[3]), 'N', 8, 2);
  modbus_mapping_t *map = modbus_mapping_new(100, 100, 100, 100);
  int listening = -1;
  if (!slave || !map) return 1;
  fill(map);
  modbus_set_slave(slave, 1);
  if (is_tcp) listening = modbus_tcp_listen(slave, 4);
  else if (modbus_connect(slave) != 0) return 1;
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    if (is_tcp) modbus_tcp_accept(slave, &listening);
    for (;;) {
      int length = modbus_receive(slave, query);
      if (length > 0) modbus_reply(slave, query, length, map);
      else if (length < 0 && is_tcp) break;
    }
    modbus_close(slave);
  }
}
