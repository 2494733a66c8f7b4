/* Reads COUNT values (uint32, two holding registers each) of a Modbus TCP server with libmodbus, over and over. Prints for
 * each the index, the Unix time in ms before the request, and the value, or - where the request was refused. */
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static long long now_ms(void) {
  struct timeval time;
  gettimeofday(&time, NULL);
  return time.tv_sec * 1000LL + time.tv_usec / 1000;
}

int main(int argc, char **argv) {
  int port = atoi(argv[1]), count = atoi(argv[2]);
  modbus_t *server = modbus_new_tcp("127.0.0.1", port);
  modbus_set_slave(server, 1);
  modbus_set_response_timeout(server, 5, 0);
  if (modbus_connect(server) != 0) {
    fprintf(stderr, "libmodbus: cannot connect: %s\n", modbus_strerror(0));
    return 1;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  (void)argc;
  for (;;) {
    for (int index = 0; index < count; index++) {
      uint16_t registers[2];
      long long before = now_ms();
      if (modbus_read_registers(server, index * 2, 2, registers) == 2)
        printf("%d %lld %u\n", index, before, ((unsigned)registers[0] << 16) | registers[1]);
      else
        printf("%d %lld -\n", index, before);
    }
    usleep(150000);
  }
}
