//===- SchemaFormats.cpp - the formats of strings in schemas --------------===//
#include "runtime/text/grammar/SchemaFormats.h"

#include <algorithm>
#include <array>

namespace air::rt {
namespace {

std::string group(const std::string &alternatives) {
  return "(?:" + alternatives + ")";
}

std::string twoDigits(int number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

// 29 February exists in years divisible by 400, or by 4 but not by 100. These
// expressions match the years with and without this day.
constexpr const char *kLeapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])"
                                  "|(?:[02468][048]|[13579][26])00)";
constexpr const char *kCommonYear =
    "(?:[0-9]{2}(?:[02468][1235679]|[13579][01345789])"
    "|(?:[02468][1235679]|[13579][01345789])00)";

/// RFC 3339.
std::string date() {
  return group("[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
               "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
               "|02-(?:0[1-9]|1[0-9]|2[0-8]))|" +
               std::string(kLeapYear) + "-02-29");
}

/// A pattern for the dates that are the last day of their month.
std::string lastDay() {
  return group("[0-9]{4}-(?:(?:0[13578]|1[02])-31|(?:0[469]|11)-30)|" +
               std::string(kLeapYear) + "-02-29|" + kCommonYear + "-02-28");
}

constexpr const char *kFraction = "(?:\\.[0-9]+)?";

/// A pattern for the local time of a leap second, with its offset from UTC. In
/// UTC, this time is 23:59:60, so the local hour and minute follow from the
/// offset. If `isNextDay`, the pattern is for time zones in which the next day
/// has already begun, and otherwise for all others.
std::string leapSecond(bool isNextDay) {
  constexpr int kDay = 24 * 60;
  std::string all;
  for (int hour = 0; hour < 24; ++hour) {
    std::string minutes;
    for (int minute = 0; minute < 60; ++minute) {
      // A leap second is at 23:59:60 UTC. If a zone is ahead of UTC, its offset
      // is therefore the local time plus one minute, modulo a day. The offset
      // of a zone that is behind UTC is a day minus that.
      const int ahead = (hour * 60 + minute + 1) % kDay;
      const int behind = (kDay - ahead) % kDay;
      if (isNextDay && ahead == 0) {
        continue; // UTC itself
      }
      const auto zone = [](const char *sign, int offset) {
        return sign + twoDigits(offset / 60) + ":" + twoDigits(offset % 60);
      };
      minutes += (minute > 0 ? "|" : "") + twoDigits(minute) + ":60" +
                 kFraction +
                 (isNextDay    ? zone("\\+", ahead)
                  : ahead == 0 ? "(?:[Zz]|[+-]00:00)"
                               : zone("-", behind));
    }
    all += (hour > 0 ? "|" : "") + twoDigits(hour) + ":" + group(minutes);
  }
  return group(all);
}

std::string ordinarySecond() {
  return "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]" + std::string(kFraction) +
         "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
}

using Patterns = std::vector<std::string>;

/// RFC 3339.
Patterns time() {
  return {ordinarySecond(), leapSecond(false), leapSecond(true)};
}

/// RFC 3339. A leap second is the last second of a month in UTC.
Patterns dateTime() {
  return {date() + "[Tt]" + ordinarySecond(),
          lastDay() + "[Tt]" + leapSecond(false),
          "[0-9]{4}-(?:0[1-9]|1[0-2])-01[Tt]" + leapSecond(true)};
}

/// RFC 3339, appendix A. A unit may be followed only by the next smaller one.
/// As in all ABNF of the RFCs, letters may be upper or lower case.
std::string duration() {
  const std::string second = "(?:[0-9]+[Ss])";
  const std::string minute = group("[0-9]+[Mm]" + second + "?");
  const std::string hour = group("[0-9]+[Hh]" + minute + "?");
  const std::string time = "[Tt]" + group(hour + "|" + minute + "|" + second);
  const std::string day = "(?:[0-9]+[Dd])";
  const std::string month = group("[0-9]+[Mm]" + day + "?");
  const std::string year = group("[0-9]+[Yy]" + month + "?");
  return "[Pp]" +
         group("[0-9]+[Ww]|" + time + "|" +
               group(day + "|" + month + "|" + year) + group(time) + "?");
}

/// RFC 9562.
std::string uuid() {
  return "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}";
}

/// Four numbers with dots between them. `number` is the expression for one.
std::string dotted(const std::string &number) {
  return number + group("\\." + number) + "{3}";
}

/// RFC 2673, section 3.2, without leading zeros, as in RFC 3986.
std::string ipv4() {
  return dotted("(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])");
}

/// An IPv6 address. If it contains "::", it has at most `most` groups. The last
/// two groups may be written as `ipv4`.
std::string ipv6With(const std::string &ipv4, int most) {
  const std::string digits = "[0-9A-Fa-f]{1,4}";
  const auto counts = [](int least, int limit) {
    return "{" + std::to_string(least) + "," + std::to_string(limit) + "}";
  };
  std::string all = group(digits + ":") + "{7}" + digits + "|" +
                    group(digits + ":") + "{6}" + ipv4;
  for (int before = 0; before <= most; ++before) {
    all += "|";
    if (before > 0) {
      all += digits + group(":" + digits) + counts(before - 1, before - 1);
    }
    all += "::";
    std::string after;
    if (const int room = most - before; room > 0) {
      after = group(digits + ":") + counts(0, room - 1) + digits;
      if (room > 1) {
        after += "|" + group(digits + ":") + counts(0, room - 2) + ipv4;
      }
      all += group(after) + "?";
    }
  }
  return group(all);
}

/// RFC 4291, section 2.2.
std::string ipv6() { return ipv6With(ipv4(), 7); }

/// The rule Mailbox of RFC 5321. It allows leading zeros in the address of a
/// host, and "::" only in place of two groups or more.
std::string email() {
  const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
  const std::string quoted = "\"(?:[ -!#-\\[\\]-~]|\\\\[ -~])*\"";
  const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
  const std::string address =
      dotted("(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|0?[0-9]{1,2})");
  return group(atom + group("\\." + atom) + "*|" + quoted) + "@" +
         group(label + group("\\." + label) + "*|\\[" +
               group(address + "|[Ii][Pp][Vv]6:" + ipv6With(address, 6)) +
               "\\]");
}

/// The syntax of RFC 3986. If `isAbsolute`, the pattern matches URIs, which
/// begin with a scheme; otherwise, it also matches relative references.
std::string uriWith(bool isAbsolute) {
  const std::string encoded = "%[0-9A-Fa-f]{2}";
  // The unreserved characters and the sub-delimiters of RFC 3986. Every part of
  // a URI except the scheme and the port may contain them.
  const std::string plain = "A-Za-z0-9._~!$&'()*+,;=-";
  const auto part = [&](const std::string &more) {
    return group("[" + more + plain + "]|" + encoded);
  };
  const std::string segment = part(":@");
  const std::string authority =
      "//" + group(part(":") + "*@") + "?" +
      group(part("") + "*|\\[" +
            group(ipv6() + "|[Vv][0-9A-Fa-f]+\\.[:" + plain + "]+") + "\\]") +
      "(?::[0-9]*)?";
  const std::string segments = group("/" + segment + "*") + "*";
  const std::string absolute =
      authority + segments + "|/" + group(segment + "+" + segments) + "?";
  const std::string end = group("\\?" + part(":@/?") + "*") + "?" +
                          group("#" + part(":@/?") + "*") + "?";
  const std::string uri = "[A-Za-z][A-Za-z0-9.+-]*:" +
                          group(absolute + "|" + segment + "+" + segments) +
                          "?";
  // The first segment of a reference without a scheme has no colon.
  const std::string reference =
      group(absolute + "|" + part("@") + "+" + segments) + "?";
  return (isAbsolute ? uri : group(uri + "|" + reference)) + end;
}

std::string uri() { return uriWith(true); }
std::string uriReference() { return uriWith(false); }

/// RFC 6901.
std::string jsonPointer() { return "(?:/(?:[^~/]|~[01])*)*"; }

template <std::string (*make)()> Patterns one() { return {make()}; }

constexpr struct {
  std::string_view name;
  Patterns (*make)();
} kFormats[] = {{"date", one<date>},
                {"time", time},
                {"date-time", dateTime},
                {"duration", one<duration>},
                {"uuid", one<uuid>},
                {"email", one<email>},
                {"ipv4", one<ipv4>},
                {"ipv6", one<ipv6>},
                {"uri", one<uri>},
                {"uri-reference", one<uriReference>},
                {"json-pointer", one<jsonPointer>}};

} // namespace

bool isKnownFormat(std::string_view name) {
  return std::ranges::any_of(
      kFormats, [&](const auto &format) { return format.name == name; });
}

std::vector<std::string> patternsOfFormat(std::string_view name) {
  for (const auto &format : kFormats) {
    if (format.name == name) {
      Patterns patterns = format.make();
      for (std::string &pattern : patterns) {
        pattern = "^" + group(pattern) + "$";
      }
      return patterns;
    }
  }
  return {};
}

} // namespace air::rt
