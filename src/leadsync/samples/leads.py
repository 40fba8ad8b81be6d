"""Good leads: people at companies, whose names, places, numbers and addresses agree with one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from leadsync.samples.draw import Draw, take, text, words
from leadsync.store.leads import STANDARD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

_LEGAL_FORMS = (
    *("株式会社{}",) * 8,
    *("{}株式会社",) * 7,
    *("有限会社{}", "{}有限会社", "合同会社{}", "(株){}", "㈱{}"),
)
_INSTITUTIONS = (
    ("医療法人社団{}会", "clinic"),
    ("学校法人{}学園", "gakuen"),
    ("社会福祉法人{}福祉会", "fukushikai"),
    ("一般社団法人{}振興協会", "shinko"),
    ("特定非営利活動法人{}ネットワーク", "network"),
    ("{}法律事務所", "law"),
)
_BRANCHES = (*("",) * 17, "　東京支社", "　大阪支店", "　福岡営業所")
_DEPARTMENTS = (
    *("営業部", "営業部", "マーケティング部", "マーケティング部", "総務部", "人事部", "経理部", "情報システム部"),
    *("経営企画室", "広報室", "開発部", "製造部", "品質保証部", "購買部", "カスタマーサクセス部", "デジタル推進室"),
    *("営業本部 第一営業部", "事業企画部", "管理本部", "法務部", "研究開発センター", "海外事業部"),
)
_TITLES = (
    *("代表取締役", "取締役", "執行役員", "部長", "部長", "次長", "課長", "課長", "係長", "主任", "主任", "担当"),
    *("マネージャー", "シニアマネージャー", "リーダー", "チーフ", "室長", "代表取締役社長", "店長", "顧問"),
)
_BUILDINGS = ("第一ビル", "センタービル", "スクエア", "タワー", "中央ビル", "ビルディング", "パークビル", "駅前ビル")
_OCCUPATIONS = ("会社員", "会社員", "会社員", "会社役員", "経営者", "自営業", "公務員", "団体職員", "専門職", "その他")
_AGE_GROUPS = ("20代", "30代", "30代", "40代", "40代", "50代", "50代", "60代", "70代以上")
_OPEN_DOMAINS = ("example.jp", "example.co.jp", "example.jp", "mail.example", "post.example")
_STATUSES = (*("delivering",) * 32, *("配信中",) * 4, *("stopped",) * 3, "停止中")
_MOBILE_PREFIXES = ("090", "080", "070")


def good_leads(ids: NDArray[np.int64], seed: int) -> pd.DataFrame:
    """Make one valid lead per id: `id` int64, then the standard columns as `str`, NA where nothing was entered."""
    person = Draw(seed, ids)
    # The later a lead, the more companies it may belong to: some have many leads, most have one or two.
    company = Draw(seed, person.below("company", ids // 2 + 50) + 1)
    columns = {
        "id": pd.Series(ids),
        **_company(company),
        **_place(person, company),
        **_person(person),
        **_address(person, company),
    }
    return pd.DataFrame(columns)[["id", *STANDARD_COLUMNS]]


def some(values: pd.Series, where: NDArray[np.bool_]) -> pd.Series:
    """Keep the values of some leads; the others entered nothing."""
    return values.where(where)


def _company(company: Draw) -> dict[str, pd.Series]:
    name = company.pick("name", words("company_names")["name"])
    traded = name + company.pick("trade", words("trades")["name"])
    names = _named(company, "legal form", _LEGAL_FORMS, traded)
    institution = _named(company, "institution", [form for form, _ in _INSTITUTIONS], name)
    names = names.where(company.chance("trades", 93), institution)
    site = "https://www." + _domain(company) + "/"
    return {"company": names + company.pick("branch", _BRANCHES), "website": some(site, company.chance("site", 65))}


def _domain(company: Draw) -> pd.Series:
    trade = company.pick("trade", words("trades")["latin"])
    institution = company.pick("institution", [latin for _, latin in _INSTITUTIONS])
    last = trade.where(company.chance("trades", 93), institution)
    return company.pick("name", words("company_names")["latin"]) + "-" + last + ".example"


def _place(person: Draw, company: Draw) -> dict[str, pd.Series]:
    places = words("places")
    at = company.below("place", len(places["city"]))
    block = company.pick("block", [f"{a}-{b}-{c}" for a in (1, 2, 3) for b in range(1, 16) for c in range(1, 13)])
    floor = "　" + take(places["town"], at) + company.pick("building", _BUILDINGS)
    floor = floor + company.pick("floor", [f"{n}F" for n in range(2, 13)] + [f"{n}階" for n in range(2, 8)])
    known = company.chance("address", 90)
    area = take(places["area_code"], at)
    exchange = _cut(company.digits("exchange", 4), 6 - area.str.len().to_numpy())
    phone = _dial(person, "phone", area, exchange)
    return {
        "postal_code": some(take(places["postal_code"], at), known),
        "prefecture": some(take(places["prefecture"], at), known),
        "address1": some(take(places["city"], at), known),
        "address2": some(take(places["town"], at) + block + floor.where(company.chance("floor", 60), ""), known),
        "phone": some(phone, person.chance("phone", 85)),
        "fax": some(area + "-" + exchange + "-" + company.digits("fax", 4), person.chance("fax", 35)),
    }


def _dial(person: Draw, what: str, area: pd.Series, exchange: pd.Series) -> pd.Series:
    """Write telephone numbers the three ways that people write them."""
    number = person.digits(what, 4)
    way = person.below(f"way of {what}", 20)
    dialled = area + "-" + exchange + "-" + number
    return dialled.mask(way == 0, area + exchange + number).mask(way == 1, area + "(" + exchange + ")" + number)


def _person(person: Draw) -> dict[str, pd.Series]:
    family, given = words("family_names"), words("given_names")
    first, last = person.below("given name", len(given["name"])), person.below("family name", len(family["name"]))
    mobile = person.pick("mobile", _MOBILE_PREFIXES) + "-" + person.digits("mobile 1", 4) + "-"
    kana = person.chance("kana", 80)
    latin = take(given["latin"], first) + "." + take(family["latin"], last)
    handle = take(given["latin"], first) + "_" + person.digits("handle", 4)
    return {
        "last_name": take(family["name"], last),
        "first_name": take(given["name"], first),
        "last_name_kana": some(take(family["kana"], last), kana),
        "first_name_kana": some(take(given["kana"], first), kana),
        "department": some(person.pick("department", _DEPARTMENTS), person.chance("department", 75)),
        "title": some(person.pick("title", _TITLES), person.chance("title", 70)),
        "mobile_phone": some(mobile + person.digits("mobile 2", 4), person.chance("mobile", 40)),
        "gender": some(take(given["gender"], first), person.chance("gender", 60)),
        "occupation": some(person.pick("occupation", _OCCUPATIONS), person.chance("occupation", 50)),
        "age_group": some(person.pick("age group", _AGE_GROUPS), person.chance("age group", 50)),
        "facebook": some("https://www.facebook.com/" + latin + "." + text(person.ids), person.chance("facebook", 8)),
        "x_account": some("@" + handle, person.chance("x account", 10)),
        "delivery_status": person.pick("status", _STATUSES),
    }


def _address(person: Draw, company: Draw) -> dict[str, pd.Series]:
    """Make the e-mail addresses; the id in each makes it the only one."""
    family = take(words("family_names")["latin"], person.below("family name", len(words("family_names")["latin"])))
    given = take(words("given_names")["latin"], person.below("given name", len(words("given_names")["latin"])))
    short = given.str.slice(0, 1) + "." + family
    local = (family + "." + given).mask(person.chance("short address", 40), short)
    own = company.pick("open domain", _OPEN_DOMAINS).where(person.chance("open domain", 30), _domain(company))
    return {"email": local + text(person.ids) + "@" + own}


def _named(company: Draw, what: str, forms: Sequence[str], names: pd.Series) -> pd.Series:
    """Put each name into one of the forms, where it says `{}`."""
    drawn = company.below(what, len(forms))
    return take([form.split("{}")[0] for form in forms], drawn) + names + take([f.split("{}")[1] for f in forms], drawn)


def _cut(values: pd.Series, lengths: NDArray[np.integer]) -> pd.Series:
    """Shorten each text to its own length of 1 to 4 characters."""
    cut = values
    for length in (1, 2, 3):
        cut = cut.mask(lengths == length, values.str.slice(0, length))
    return cut
