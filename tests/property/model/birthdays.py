"""Birthdays and anniversaries."""
import calendar
import datetime as dt

from .dates import add_months, year_day
from .lots import credit, term_today
from .tiers import shown
from .vouchers import issue


def birth_date(program, month, day, year):
    if (month, day) == (2, 29) and not calendar.isleap(year):
        return dt.date(year, 3, 1) if program.birthday.get("leap_day", "feb_28") == "mar_1" else dt.date(year, 2, 28)
    return dt.date(year, month, day)


def in_force(program, member, year):
    """The birthdays of a birthday year, each with its (month, day); more than one when the date was changed between them."""
    guard = int(program.birthday.get("guard_days", 0))
    for place, (entered, month, day) in enumerate(member.births):
        date = birth_date(program, month, day, year)
        since = [other + dt.timedelta(days=guard) for other, _, _ in member.births[place:]]
        if since[0] <= date and all(later > date for later in since[1:]):
            yield date, (month, day)


def window(program, member):
    """(days before, days after) of the tier held, or of the section."""
    tier = shown(program, member)
    spec = (tier.birthday if tier is not None else None) or program.birthday.get("window") or {}
    return int(spec.get("days_before", 0)), int(spec.get("days_after", 0))


def allowed(program, member, date, month_day):
    """Not paid this birthday year, and not too soon after another date was paid."""
    if date.year in member.births_paid:
        return False
    if member.births_paid:
        last, paid = member.births_paid[max(member.births_paid)]
        before, after = window(program, member)
        if paid != month_day and date < add_months(last, 12) - dt.timedelta(days=before + after):
            return False
    return True


def requires_met(program, member, day):
    spec = program.birthday.get("requires")
    if spec is None:
        return True
    months = int(spec["within_months"])
    return member.metric("points_earned", add_months(day, -months), day) >= program.points(spec["points_earned"])


def grant(model, member, date, month_day, day):
    """The points, or None when the reward is a voucher: usable through the last day of the window."""
    program = model.program
    reward = program.birthday["reward"]
    member.births_paid[date.year] = (date, month_day)
    if "voucher" in reward:
        issue(model, member, reward["voucher"], day, ("birthday",), last=date + dt.timedelta(days=window(program, member)[1]))
        return None
    points = program.points(reward["points"])
    credit(member, term_today(program, member), day, points, "birthday")
    return points


def birthday_night(model, member, today):
    """Whether it granted."""
    program = model.program
    if program.birthday is None or not member.births or program.birthday.get("issue", "automatic") == "on_claim":
        return False
    if "voucher" in program.birthday["reward"]:
        found = due(program, member, today)
        late = "requires" not in program.birthday       # a window that a new tier finds open counts from there, but what is required is asked once
        candidates = [found] if found and (late or opens(program, member, *found) == today) else []
    else:
        candidates = [found for found in in_force(program, member, today.year) if found[0] == today]
    for found in candidates:
        if allowed(program, member, *found) and requires_met(program, member, today):
            grant(model, member, *found, today)
            return True
    return False


def opens(program, member, date, month_day):
    """The day on which the window of a voucher opens: not before the date is effective."""
    guard = dt.timedelta(days=int(program.birthday.get("guard_days", 0)))
    entered = max(entered for entered, *birth in member.births if tuple(birth) == month_day and entered + guard <= date)
    return max(date - dt.timedelta(days=window(program, member)[0]), entered + guard)


def due(program, member, today):
    """The birthday whose window a day is in, with its (month, day); granted or not."""
    before, after = window(program, member)
    for year in (today.year - 1, today.year, today.year + 1):
        for found in in_force(program, member, year):
            first = found[0] - dt.timedelta(days=before)
            if "voucher" in program.birthday["reward"]:
                first = opens(program, member, *found)
            if first <= today <= found[0] + dt.timedelta(days=after):
                return found
    return None


def anniversary_night(model, member, today):
    program = model.program
    if program.anniversary is None or member.enrolled is None or today.year == member.enrolled.year:
        return
    if year_day(today.year, member.enrolled.month, member.enrolled.day) != today:
        return
    reward = program.anniversary["reward"]
    if "voucher" in reward:
        issue(model, member, reward["voucher"], today, ("anniversary",))
    else:
        credit(member, term_today(program, member), today, program.points(reward["points"]), "anniversary")
