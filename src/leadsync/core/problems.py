"""What can be wrong with a mapping: stable codes and their texts, in Japanese and English (R18, R20-R26, R40).

A problem is about a mapping file and a line of it; what is wrong with one lead's value is in `core.codes`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing to put right, and how.

    `line` is the physical line of the file (1 is the header; 0: the file as a whole). `column` is the header of the
    cell as INTERFACES names it, "" for the row as a whole.
    """

    code: str
    rule: str
    file: str
    line: int
    column: str
    message_ja: str
    message_en: str
    remedy_ja: str
    remedy_en: str

    def message(self, language: str) -> str:
        """Say in `ja` or `en` what is wrong."""
        return self.message_ja if language == "ja" else self.message_en

    def remedy(self, language: str) -> str:
        """Say in `ja` or `en` what to do."""
        return self.remedy_ja if language == "ja" else self.remedy_en

    def __str__(self) -> str:
        """Give place, message, rule and remedy in English, for logs."""
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        column = f" [{self.column}]" if self.column else ""
        return f"{place}{column}: {self.message_en} ({self.rule}). {self.remedy_en}"


# code: rule, message ja, message en, remedy ja, remedy en; str.format templates over the facts of `problem`.
_TEXTS: dict[str, tuple[str, str, str, str, str]] = {
    # The file.
    "mapping_no_file": (
        "R25",
        "マッピングのCSVファイルがありません",
        "there is no mapping file",
        "設定 MAPPINGS_DIR のフォルダーに *.csv を置いてください。",
        "Put at least one *.csv into the folder that the setting MAPPINGS_DIR names.",
    ),
    "mapping_encoding": (
        "R25",
        "文字コードを読み取れません（UTF-8でもCP932でもありません）",
        "the text is neither UTF-8 nor CP932 (Shift_JIS)",
        "Excelで「CSV UTF-8（コンマ区切り）」として保存し直してください。",
        "Save it again as “CSV UTF-8 (comma delimited)”.",
    ),
    "mapping_delimiter": (
        "R25",
        "列が「{value}」で区切られています",
        "the columns are separated by “{value}”",
        "コンマ区切りのCSVで保存し直してください。",
        "Save it again as comma-separated CSV.",
    ),
    "mapping_quotes": (
        "R25",
        'この行から先を読めません。引用符（"）の対応が崩れています（{value}）',
        'nothing can be read from this line on: a quote (") is not closed or stands inside a cell ({value})',
        'セルの中の引用符は "" と2つ重ね、開いた引用符は閉じてください。',
        'Double a quote inside a cell (""), and close every quote that opens.',
    ),
    "mapping_empty": (
        "R25",
        "ファイルに行がありません",
        "the file holds no row",
        "見出しの行と項目の行を書くか、ファイルを削除してください。",
        "Write the header and at least one row, or remove the file.",
    ),
    "mapping_header_missing": (
        "R25",
        "見出し「{value}」の列がありません",
        "the column “{value}” is missing",
        "1行目に見出し {value} を加えてください。",
        "Add the header {value} to the first line.",
    ),
    "mapping_header_unknown": (
        "R25",
        "見出し「{value}」は使えません{guess_ja}",
        "“{value}” is no header{guess_en}",
        "見出しは次のどれかです：{allowed}",
        "Headers are: {allowed}",
    ),
    "mapping_header_twice": (
        "R25",
        "見出し「{value}」が2回あります",
        "the header “{value}” stands there twice",
        "どちらかの列を削除してください。",
        "Remove one of the two columns.",
    ),
    "mapping_ragged": (
        "R25",
        "セルが{value}個あります（見出しは{allowed}個）",
        "the row has {value} cells, the header has {allowed}",
        "値の中のコンマは引用符で囲み、空のセルも「,」で残してください。",
        "Quote a value that holds a comma, and keep the comma of an empty cell.",
    ),
    # The row.
    "mapping_field_missing": (
        "R20",
        "項目が空です",
        "the row names no lead field",
        "field に leads テーブルの列名を書いてください。",
        "Write the name of a column of the table leads into field.",
    ),
    "mapping_field_reserved": (
        "R20",
        "「{value}」は連携できません（システムの列です）",
        "“{value}” belongs to the platform and cannot be mapped",
        "この行を削除してください。",
        "Remove the row.",
    ),
    "mapping_field_twice": (
        "R20",
        "項目「{value}」は {other} にもあります",
        "the field “{value}” stands in {other} as well",
        "どちらかの行を削除してください。",
        "Remove one of the two rows.",
    ),
    "mapping_target_missing": (
        "R20",
        "「{value}」の連携先がありません",
        "“{value}” is mapped to neither Lead nor Contact",
        "lead_field か contact_field のどちらかにSalesforceの項目のAPI名を書いてください。",
        "Write the API name of a Salesforce field into lead_field or contact_field.",
    ),
    "mapping_target_twice": (
        "R20",
        "{sobject} の「{value}」は {other} でも使われています",
        "{sobject}.{value} is used by {other} as well",
        "Salesforceの1つの項目には、リードの1つの項目だけを対応させてください。",
        "Map one lead field only to each field of a Salesforce object.",
    ),
    "mapping_api_name": (
        "R20",
        "「{value}」はAPI名の形ではありません",
        "“{value}” is not an API name",
        "表示名ではなくAPI名（例：LastName、Budget__c）を書いてください。",
        "Write the API name, not the label (LastName, Budget__c).",
    ),
    "mapping_hops": (
        "R26",
        "「{value}」は参照を2つ以上たどっています",
        "“{value}” follows more than one reference",
        "参照は1つまでです（例：Account.Industry）。",
        "Follow one reference only (Account.Industry).",
    ),
    "mapping_type_unknown": (
        "R18",
        "種類「{value}」はありません{guess_ja}",
        "there is no type “{value}”{guess_en}",
        "種類は次のどれかです：{allowed}",
        "Types are: {allowed}",
    ),
    "mapping_type_fixed": (
        "R18",
        "項目「{field}」の種類は {allowed} でなければなりません（現在は {value}）",
        "the field “{field}” must have the type {allowed}, not {value}",
        "type を {allowed} にしてください。",
        "Set type to {allowed}.",
    ),
    "mapping_email_lookup": (
        "R24",
        "メールアドレスを参照先の項目「{value}」に対応させることはできません",
        "the e-mail address cannot be mapped to “{value}”, a field of a referenced object",
        "メールアドレスはオブジェクト自身の項目（Email）に対応させてください。",
        "Map the e-mail address to a field of the object itself (Email).",
    ),
    "mapping_direction_unknown": (
        "R30",
        "方向「{value}」はありません{guess_ja}",
        "there is no direction “{value}”{guess_en}",
        "方向は次のどれかです：{allowed}",
        "Directions are: {allowed}",
    ),
    "mapping_direction_lookup": (
        "R27",
        "「{value}」は参照先の項目なのでSalesforceへは書けません",
        "“{value}” is a field of a referenced object and is never written to Salesforce",
        "direction を空にするか to_lead にしてください。",
        "Leave direction empty or set it to to_lead.",
    ),
    "mapping_conflict_unknown": (
        "R30",
        "競合の規則「{value}」はありません{guess_ja}",
        "there is no conflict rule “{value}”{guess_en}",
        "競合の規則は次のどれかです：{allowed}",
        "Conflict rules are: {allowed}",
    ),
    "mapping_boolean_unknown": (
        "R12",
        "「{value}」は true でも false でもありません",
        "“{value}” is neither true nor false",
        "true か false を書くか、空にしてください。",
        "Write true or false, or leave it empty.",
    ),
    "mapping_column_missing": (
        "R20",
        "leads テーブルに列「{value}」がありません{guess_ja}",
        "the table leads has no column “{value}”{guess_en}",
        "列名を直すか、leads テーブルに列を追加してください。",
        "Correct the name, or add the column to the table leads.",
    ),
    "mapping_default": (
        "R19",
        "既定値「{value}」は {sobject} の「{other}」に使えません（{type}）",
        "the default “{value}” does not fit {sobject}.{other} ({type})",
        "Salesforceの項目に合う既定値に直すか、空にしてください。",
        "Choose a default that the Salesforce field takes, or leave it empty.",
    ),
    # What the org does not let us do with a row.
    "access_object": (
        "R40",
        "{sobject} が見つからないか、連携ユーザーに参照権限がありません",
        "{sobject} does not exist or is hidden from the integration user",
        "プロファイルのオブジェクト権限で {sobject} の参照を有効にしてください。自動的に再開します。",
        "Give the integration user's profile read access to {sobject}; syncing resumes by itself.",
    ),
    "access_email": (
        "R24",
        "{sobject} のメールアドレスを読めないため、{sobject} は同期しません",
        "{sobject} is not synced: its e-mail field is not mapped, missing or hidden",
        "メールアドレスのマッピングと、項目権限の参照アクセスを確認してください。",
        "Check the mapping of the e-mail address and the user's read access to that field.",
    ),
    "access_field": (
        "R21",
        "{sobject} の項目「{value}」は存在しないか、連携ユーザーから見えません{guess_ja}",
        "{sobject}.{value} is missing or hidden from the integration user{guess_en}",
        "項目のAPI名と、項目レベルセキュリティの参照アクセスを確認してください。この行以外は同期されます。",
        "Check the API name and the field's read access (field-level security); the other rows go on.",
    ),
    "access_type": (
        "R18",
        "種類「{type}」は {sobject} の「{value}」（{sf_type}）と合いません",
        "the type {type} does not go with {sobject}.{value}, which is {sf_type}",
        "リード側の種類を変えるか、次のデータ型の項目に対応させてください：{allowed}",
        "Change the lead field's type, or map it to a field of one of these types: {allowed}",
    ),
    "access_read_only": (
        "R43",
        "{sobject} の「{value}」は連携ユーザーには編集できません",
        "{sobject}.{value} cannot be edited by the integration user",
        "編集アクセスを与えるか、direction を to_lead にしてください。Salesforceからの反映は続きます。",
        "Give edit access to the field, or set direction to to_lead; values from Salesforce still arrive.",
    ),
    "access_required": (
        "R19",
        "{sobject} の必須項目「{value}」に対応する項目がないため、新しい{sobject}を作成できません",
        "no {sobject} can be created: {sobject}.{value} is required there, and no row of the mapping fills it",
        "「{value}」に書き込む行をマッピングに加えるか、Salesforceで必須を外すか既定値を設定してください。",
        "Map a lead field to {value}, or give it a default in Salesforce or make it optional there.",
    ),
    "access_restricted": (
        "R12",
        "{sobject} の「{value}」は制限付き選択リストなので、allow_new_values は効きません",
        "{sobject}.{value} is a restricted picklist: allow_new_values has no effect",
        "allow_new_values を空にするか、Salesforceで選択リストの制限を外してください。",
        "Leave allow_new_values empty, or lift the restriction of the picklist in Salesforce.",
    ),
}

CODES = tuple(_TEXTS)
"""Every code: add to them, rename none."""


def problem(code: str, *, file: str = "", line: int = 0, column: str = "", guess: str = "", **facts: str) -> Problem:
    """Build the problem of a code from its texts.

    Args:
        code: A key of the texts above.
        file: Name of the mapping file, "" for none.
        line: Physical line in it, 0 for none.
        column: Header of the cell.
        guess: What was probably meant, "" for no idea.
        facts: What the texts name: `value`, `allowed`, `field`, `sobject`, `other`, `type`, `sf_type`.
    """
    rule, *texts = _TEXTS[code]
    facts["guess_ja"] = f"（「{guess}」のことですか）" if guess else ""
    facts["guess_en"] = f" (did you mean “{guess}”?)" if guess else ""
    return Problem(code, rule, file, line, column, *(text.format_map(facts) for text in texts))
