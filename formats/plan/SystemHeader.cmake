# Copies IN to OUT with a line before it that makes it a system header.
file(READ "${IN}" text)
file(WRITE "${OUT}" "#pragma GCC system_header\n${text}")
